# Bytes of the saved model.
# Drawn by ../redraw.sh, which sets lang (zh, en) and format (svg, png).
load 'style.gp'
name = 'results/size'
data = name.'.csv'
rows = 7.0
width = 900.0
right = 30.0
left_text = chinese ? '205.0' : '202.0'
top = 14.0
bottom = 62.0
row_height = 36.0
unit = 1000000.0
unit_name = chinese ? 'MB' : 'MB'
high = 116.352
axis = chinese ? '模型大小（MB）' : 'saved model, MB'
left = left_text + 0
height = top + row_height*rows + bottom
load 'terminal.gp'
set lmargin at screen left/width
set rmargin at screen 1 - right/width
set tmargin at screen 1 - top/height
set bmargin at screen bottom/height
set yrange [0.5 - rows : 0.5]
y(shift) = shift - column('row')
set xrange [0:high]
set format x '%g'
set xlabel axis
unset key
plot data using (0):(y(0)):(0):(num('bytes')/unit):(y(-0.32)):(y(0.32)):(tint(rgb('color'), column('mark'))):ytic(stringcolumn(label)) with boxxyerror lc rgb variable notitle, \
     data using (num('bytes')/unit):(y(0)):(has('bytes') ? sprintf('%.4g %s', num('bytes')/unit, unit_name).(has('ratio') ? sprintf('   %.2f×', num('ratio')) : '') : '') with labels left offset 0.8,0 font family.',12' textcolor rgb ink notitle
