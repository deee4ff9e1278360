load 'terminal.gp'
set lmargin at screen left/width
set rmargin at screen 1 - right/width
set tmargin at screen 1 - top/height
set bmargin at screen bottom/height
set grid xtics ytics lc rgb faint lt 1 lw 0.7
set xrange [x_low:x_high]
set yrange [y_low:y_high]
set format x '%g'
set format y '%.1f%%'
set xlabel x_axis
set ylabel y_axis
set key at screen 0.5, screen 1 - 10.0/height center top horizontal
front = 'comparisons/pareto_front.csv'
plot front using (num('bytes')/unit):(100*num('accuracy')) with steps lc rgb '#555555' lw 1.4 dt 2 title front_title, \
     data using (column('lead_'.lang) > 0 ? num('bytes')/unit : NaN):(100*num('accuracy')):(column('label_x_'.lang) - num('bytes')/unit):(column('label_y_'.lang) - 100*num('accuracy')) with vectors nohead lc rgb '#999999' lw 0.8 notitle, \
     data using (column('label_x_'.lang)):(column('label_y_'.lang)):(stringcolumn(label)) with labels center boxed textcolor rgb ink notitle, \
     data using (num('bytes')/unit):(100*num('accuracy')):(point_type(column('mark'))):(rgb('color')) with points pt variable ps 1.7 lc rgb variable notitle
