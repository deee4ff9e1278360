load 'terminal.gp'
set grid xtics ytics lc rgb faint lt 1 lw 0.7
set lmargin at screen 112.0/width
set rmargin at screen 1 - 24.0/width
set tmargin at screen 1 - 40.0/height
set bmargin at screen 66.0/height
set xlabel x_axis
set ylabel y_axis
set format y '%g'
set xrange [x_low:x_high]
set yrange [y_low:y_high]
set key at screen 0.5, screen 1 - 10.0/height center top horizontal
plot data using (1e3*num('seconds')):(num('loss_increase')) with linespoints lc rgb '#0072B2' lw 1.6 pt 7 ps 1 title front_title, \
     data using (1e3*num('seconds')):(where('chosen', 1, num('loss_increase'))) with points lc rgb '#D55E00' pt 6 ps 2.4 lw 2.2 title chosen_title
