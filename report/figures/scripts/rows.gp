height = top + row_height*rows + bottom
load 'terminal.gp'
set lmargin at screen left/width
set rmargin at screen 1 - right/width
set tmargin at screen 1 - top/height
set bmargin at screen bottom/height
set yrange [0.5 - rows : 0.5]
y(shift) = shift - column('row')
