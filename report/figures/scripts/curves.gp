rate_height = has_rate ? 130 : 0
height = 420 + rate_height > legend_height ? 420 + rate_height : legend_height
load 'terminal.gp'
set multiplot
set grid xtics ytics lc rgb faint lt 1 lw 0.7
set lmargin at screen 104.0/width
set rmargin at screen 1 - (legend_width + 20)/width
set xrange [0:last]
set xlabel x_axis
unset key
set tmargin at screen 1 - 16.0/height
set bmargin at screen (rate_height + 66.0)/height
set ylabel loss_axis
set yrange [0:loss_high]
if (has_rate) { unset xlabel; set format x '' }
legend = 'results/curves_legend.csv'
of(i, c) = (column('series') == i && has(c)) ? column(c) : NaN
plot for [i = 0 : series - 1] data using (of(i, 'step')):(of(i, 'train_loss')):(int('0xAA000000') + rgb('color')) with lines lc rgb variable lw 0.8, \
     for [i = 0 : series - 1] data using (of(i, 'step')):(of(i, 'train_loss_smoothed')):(tint(rgb('color'), marks[i + 1]/5)) with lines lc rgb variable lw 2.4 dt dash_type(marks[i + 1])
if (has_rate) {
  set xlabel x_axis
  set tmargin at screen (rate_height + 36.0)/height
  set bmargin at screen 66.0/height
  set ylabel rate_axis
  set yrange [0:rate_high]
  set format x '%g'
  set format y '%g'
  set ytics rate_step
  plot for [i = 0 : series - 1] data using (of(i, 'step')):(of(i, 'learning_rate')):(tint(rgb('color'), marks[i + 1]/5)) with lines lc rgb variable lw 1.8 dt dash_type(marks[i + 1])
}
# The legend, in pixels of the whole figure.
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 1
set bmargin at screen 0
set xrange [0:width]
set yrange [0:height]
unset border
unset tics
unset xlabel
unset ylabel
unset grid
row(y) = height - 30 - 22*y
plot for [i = 0 : series - 1] legend using (column('series') == i ? width - legend_width : NaN):(row(column('series'))):(52):(0):(tint(rgb('color'), marks[i + 1]/5)) with vectors nohead lw 2.4 dt dash_type(marks[i + 1]) lc rgb variable, \
     legend using (width - legend_width + 60):(row(column('series'))):(stringcolumn(label)) with labels left textcolor rgb ink font family.',12'
unset multiplot
