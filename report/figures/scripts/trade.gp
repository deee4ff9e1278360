load 'terminal.gp'
set lmargin at screen left/width
set rmargin at screen 1 - right/width
set tmargin at screen 1 - top/height
set bmargin at screen bottom/height
set grid xtics ytics lc rgb faint lt 1 lw 0.7
set xrange [x_low:x_high]
set yrange [y_low:y_high]
set xtics x_step
set ytics y_step
set format x '%g×'
set format y '%+.1f'
set xlabel x_axis
set ylabel y_axis
set key at screen 0.5, screen 1 - 10.0/height center top horizontal
# FP32: its speed and its accuracy.
set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb '#777777' lw 1 dt 3 back
set arrow 2 from graph 0, first 0 to graph 1, first 0 nohead lc rgb '#777777' lw 1 dt 3 back
plot data using (num('speed')):(100*num('difference')):(num('speed_low')):(num('speed_high')):(rgb('color')) with xerrorbars pt 0 lc rgb variable lw 1.2 notitle, \
     data using (num('speed')):(100*num('difference')):(100*num('difference_low')):(100*num('difference_high')):(rgb('color')) with yerrorbars pt 0 lc rgb variable lw 1.2 notitle, \
     data using (num('speed')):(100*num('difference')):(num('disc')):(rgb('color')) with points pt 7 ps variable lc rgb variable notitle, \
     data using (where('pareto', 1, num('speed'))):(100*num('difference')):(num('disc')) with points pt 6 ps variable lc rgb ink lw 2.2 notitle, \
     keyentry with points pt 6 ps 1.7 lc rgb ink lw 2.2 title pareto_title, \
     data using (column('lead_'.lang) > 0 ? num('speed') : NaN):(100*num('difference')):(column('label_x_'.lang) - num('speed')):(column('label_y_'.lang) - 100*num('difference')) with vectors nohead lc rgb '#999999' lw 0.8 notitle, \
     data using (column('label_x_'.lang)):(column('label_y_'.lang)):(stringcolumn(label)) with labels center textcolor rgb ink notitle
