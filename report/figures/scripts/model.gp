left = left_text + 0
width = left + 8*part_width + 20
matrix = rows*row_height
height = 176 + (rows > 0 ? matrix + 44 : 0)
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
set yrange [-height:0]
parts = 'architecture/model_parts.csv'
text(c) = stringcolumn(c.'_'.lang)
center(part) = left + (part + 0.5)*part_width
# The block that repeats: query to feed-forward.
set object 1 rectangle from left + part_width + 4, -16 to left + 6*part_width - 4, -156 fs empty border rgb '#777777' lw 1 dt 2
set label blocks at left + 3.5*part_width, -28 center font family.',11' textcolor rgb '#555555'
if (rows > 0) {
  set label heading at left - 10, -178 right font family.',11' textcolor rgb '#555555'
}
top(row) = -188 - row*row_height
cell_left(part, from) = left + part*part_width + 4 + from*(part_width - 8)
plot parts using (center(column('part'))):(-92):(center(column('part')) - part_width/2 + 9):(center(column('part')) + part_width/2 - 9):(-142):(-42):(rgb('fill')) with boxxyerror lc rgb variable fs solid 1.0 border rgb '#555555', \
     parts using (center(column('part'))):(-68):(text('title')) with labels center font family.' Bold,11' textcolor rgb ink, \
     parts using (center(column('part'))):(-92):(text('line1')) with labels center font family.',10' textcolor rgb ink, \
     parts using (center(column('part'))):(-110):(text('line2')) with labels center font family.',10' textcolor rgb ink, \
     parts using (column('part') < 7 ? center(column('part')) + part_width/2 - 9 : NaN):(-92):(17):(0) with vectors filled size screen 0.006, 24 lc rgb '#333333' lw 1.4
