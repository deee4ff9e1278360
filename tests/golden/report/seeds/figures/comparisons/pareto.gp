# Accuracy over size, with the Pareto front.
# Drawn by ../redraw.sh, which sets lang (zh, en) and format (svg, png).
load 'style.gp'
name = 'comparisons/pareto'
data = name.'.csv'
width = 900.0
height = 540.0
left = 100.0
right = 24.0
top = 40.0
bottom = 66.0
unit = 1000000.0
x_low = 0.0
x_high = 102.14400000000002
y_low = 84.25
y_high = 85.89999999999999
x_axis = chinese ? '模型大小（MB）' : 'saved model, MB'
y_axis = chinese ? '准确率' : 'accuracy'
front_title = chinese ? '帕累托前沿：没有方案同时更小且更准确' : 'Pareto front: nothing is both smaller and more accurate'
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
