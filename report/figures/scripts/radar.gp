load 'terminal.gp'
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 1
set bmargin at screen note_height/height
unset border
unset tics
unset grid
unset key
# One unit is as long across as up, whatever room the legend on the right takes.
unit = (540.0 - note_height)/2.36
across = width/unit
set xrange [-1.6 : across - 1.6]
set yrange [1.30 - (height - note_height)/unit : 1.30]
x(axis, score) = score*sin(2*pi*axis/5)
y(axis, score) = score*cos(2*pi*axis/5)
do for [ring = 1 : 4] {
  do for [axis = 0 : 4] {
    set arrow from x(axis, ring/4.0), y(axis, ring/4.0) to x(axis + 1, ring/4.0), y(axis + 1, ring/4.0) nohead lc rgb (ring == 4 ? '#999999' : faint) lw 0.8 back
  }
  set label sprintf('%.2g', ring/4.0) at 0.03, ring/4.0 - 0.045 left font family.',9' textcolor rgb '#777777' front
}
array axes[5] = [axis_accuracy, axis_f1, axis_size, axis_speed, axis_memory]
do for [axis = 0 : 4] {
  set arrow from 0, 0 to x(axis, 1), y(axis, 1) nohead lc rgb faint lw 0.8 back
  if (axis == 0) { set label axes[1] at 0, 1.12 center }
  if (axis == 1 || axis == 2) { set label axes[axis + 1] at x(axis, 1.08), y(axis, 1.08) left }
  if (axis > 2) { set label axes[axis + 1] at x(axis, 1.08), y(axis, 1.08) right }
}
set label note_1 at screen 0.5, screen 30.0/height center font family.',11' textcolor rgb '#555555'
set label note_2 at screen 0.5, screen 13.0/height center font family.',11' textcolor rgb '#555555'
legend(row) = 1.0 - 24.0/unit*row
# A piece of each line, with its points: between the first two of its points' places in the data.
sample(axis) = axis == 0 ? 1.42 : axis == 1 ? 1.72 : NaN
plot for [i = 1 : rows - 1] data using (where('row', i, x(column('axis'), num('score')))):(y(column('axis'), num('score'))):(tint(rgb('color'), marks[i + 1]/5)) with linespoints lc rgb variable lw 1.8 dt dash_type(marks[i + 1]) pt point_type(marks[i + 1]) ps 0.7 notitle, \
     data using (where('row', 0, x(column('axis'), num('score')))):(y(column('axis'), num('score'))):(rgb('color')) with linespoints lc rgb variable lw 2.4 dt 2 pt 7 ps 0.55 notitle, \
     for [i = 1 : rows - 1] data using (where('row', i, sample(column('axis')))):(legend(column('row'))):(tint(rgb('color'), marks[i + 1]/5)) with linespoints lc rgb variable lw 1.8 dt dash_type(marks[i + 1]) pt point_type(marks[i + 1]) ps 0.9 notitle, \
     data using (where('row', 0, sample(column('axis')))):(legend(column('row'))):(rgb('color')) with linespoints lc rgb variable lw 2.4 dt 2 pt 7 ps 0.7 notitle, \
     data using (column('axis') == 0 ? 1.80 : NaN):(legend(column('row'))):(stringcolumn(label)) with labels left textcolor rgb ink notitle
