load 'terminal.gp'
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 1
set bmargin at screen 0
unset border
unset tics
unset grid
unset key
set xrange [0:width]
set yrange [0:height]
arrows = 'architecture/system_arrows.csv'
text(c) = stringcolumn(c.'_'.lang)
plot data using (column('x')):(column('y')):(column('x') - column('w')/2):(column('x') + column('w')/2):(column('y') - column('h')/2):(column('y') + column('h')/2):(rgb('fill')) with boxxyerror lc rgb variable fs solid 1.0 border rgb '#555555', \
     data using (column('x')):(column('y') + 26):(text('title')) with labels center font family.' Bold,14' textcolor rgb ink, \
     data using (column('x')):(column('y') + 2):(text('line1')) with labels center font family.',11' textcolor rgb ink, \
     data using (column('x')):(column('y') - 16):(text('line2')) with labels center font family.',11' textcolor rgb ink, \
     data using (column('x')):(column('y') - 34):(text('line3')) with labels center font family.',11' textcolor rgb ink, \
     arrows using (column('x1')):(column('y1')):(column('x2') - column('x1')):(column('y2') - column('y1')) with vectors filled size screen 0.012, 22 lc rgb '#333333' lw 1.6, \
     arrows using (column('label_x')):(column('label_y')):(text('label')) with labels center font family.',11' textcolor rgb '#333333', \
     arrows using (column('label_x')):(column('label_y') - 26):(text('more')) with labels center font family.',11' textcolor rgb '#333333'
