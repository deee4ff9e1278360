load 'terminal.gp'
set lmargin at screen 92.0/width
set rmargin at screen 1 - (legend_text + 60)/width
set tmargin at screen 1 - 20.0/height
set bmargin at screen 66.0/height
set grid xtics ytics lc rgb faint lt 1 lw 0.7
set xrange [x_low:x_high]
set yrange [y_low:y_high]
set format x '%g'
set format y '%g'
set xlabel x_axis
set ylabel y_axis
set key at screen 1 - (legend_text + 44)/width, screen 1 - 20.0/height left top vertical
of(i, c) = where('row', i, num(c))
plot data using (of(0, 'label')):(of(0, 'p10')):(of(0, 'p90')) every ::0::first_groups - 1 with filledcurves fc rgb '#E4E4E4' title band_title, \
     data using (num('row') == 0 ? num('label') : NaN):(num('label')) with lines dt 3 lw 1.2 lc rgb '#777777' title equal_title, \
     for [i = 0 : rows - 1] data using (of(i, 'label')):(of(i, 'median')) with linespoints lc rgb tint(int('0x'.value(sprintf('color_%d', i))), marks[i + 1]) lw 1.8 dt dash_type(marks[i + 1]) pt point_type(marks[i + 1]) ps 0.8 title value(sprintf('name_%d', i))
