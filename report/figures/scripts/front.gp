load 'terminal.gp'
set multiplot
set grid xtics ytics lc rgb faint lt 1 lw 0.7
set lmargin at screen 112.0/width
set rmargin at screen 1 - 24.0/width
set format y '%g'
set xrange [x_low:x_high]
cost(unused) = by_size ? num('bytes')/1e6 : 1e3*num('seconds')
panels = predicted ? 2 : 1
panel = (height - 66.0 - 40.0*panels)/panels
if (predicted) {
  set tmargin at screen 1 - 40.0/height
  set bmargin at screen 1 - (40.0 + panel)/height
  set key at screen 0.5, screen 1 - 10.0/height center top horizontal
  set ylabel divergence_axis
  set yrange [divergence_low:divergence_high]
  set format x ''
  plot data using (cost(0)):(num('divergence')) with linespoints lc rgb '#0072B2' lw 1.6 pt 7 ps 1 title front_title, \
       data using (cost(0)):(where('chosen', 1, num('divergence'))) with points lc rgb '#D55E00' pt 6 ps 2.4 lw 2.2 title chosen_title
}
set tmargin at screen (66.0 + panel)/height
set bmargin at screen 66.0/height
set key at screen 0.5, screen (66.0 + panel + 30.0)/height center top horizontal
set ylabel loss_axis
set yrange [loss_low:loss_high]
set format x '%g'
set xlabel x_axis
plot data using (cost(0)):(num('loss_increase')) with points lc rgb '#009E73' pt 5 ps 1 title measured_title, \
     data using (cost(0)):(where('chosen', 1, num('loss_increase'))) with points lc rgb '#D55E00' pt 6 ps 2.4 lw 2.2 title chosen_title
unset multiplot
