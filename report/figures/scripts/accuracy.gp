set xrange [low:high]
set xtics step
set format x '%.1f%%'
set xlabel axis
set key at screen 0.5, screen 1 - 12.0/height center top horizontal
set arrow from reference, graph 0 to reference, graph 1 nohead dt 2 lw 1.2 lc rgb '#777777' back
percent(c) = 100*num(c)
plot data using (percent('accuracy')):(y(0.14)):(100*either('accuracy_low','accuracy')):(100*either('accuracy_high','accuracy')):(rgb('color')):ytic(stringcolumn(label)) with xerrorbars pt 7 ps 1.1 lw 2 lc rgb variable notitle, \
     data using (percent('f1')):(y(-0.2)):(rgb('color')) with points pt 4 ps 1.0 lw 1.6 lc rgb variable notitle, \
     data using (high):(y(0.14)):(has('accuracy') ? sprintf('%.2f%%', percent('accuracy')) : '') with labels left offset 1,0 font family.',11' textcolor rgb ink notitle, \
     data using (high):(y(-0.2)):(has('f1') ? sprintf('%.2f%%', percent('f1')) : '') with labels left offset 1,0 font family.',11' textcolor rgb '#777777' notitle, \
     keyentry with points pt 7 ps 1.1 lc rgb ink title accuracy_title, \
     keyentry with points pt 4 ps 1.0 lw 1.6 lc rgb ink title f1_title
