# Panels from top to bottom; each has a line per variant or precision and a column per layer.
row_height = 24
height = top + bottom + panels*gap
do for [p = 1 : panels] { height = height + row_height*panel_rows[p] }
load 'terminal.gp'
set multiplot
unset grid
unset key
set border 0
unset tics
row_names = 'results/layers_rows.csv'
layer_names = 'results/layers_names.csv'
set lmargin at screen left/width
set rmargin at screen 1 - right/width
set xrange [-0.5 : layers - 0.5]
set palette defined (0 '#00224E', 0.25 '#35456C', 0.5 '#7C7B78', 0.75 '#BCAF6F', 1 '#FEE838')
# Names of the rows, and of the columns under the last panel.
named = "row_names using (-0.5):(mine(-column('row'))):(stringcolumn(label)) with labels right offset -0.4,0 textcolor rgb ink, layer_names using (column('layer_index')):(p == panels ? 0.5 - rows : NaN):(stringcolumn('short_'.lang)) with labels right rotate by 90 offset 0,-0.4 font family.',10' textcolor rgb ink"
above = top
do for [p = 1 : panels] {
  rows = panel_rows[p]
  kind = word(panel_kinds, p)
  set tmargin at screen 1 - above/height
  set bmargin at screen 1 - (above + row_height*rows)/height
  set yrange [0.5 - rows : 0.5]
  unset label
  unset arrow
  do for [i = 1 : block_count] {
    set arrow from blocks[i], graph 0 to blocks[i], graph 1 nohead lc rgb '#FFFFFF' lw 3 front
  }
  set label (kind eq 'sqnr' ? title_sqnr : kind eq 'precision' ? title_precision : title_damage) at graph 0, screen 1 - (above - 12)/height left
  mine(y) = stringcolumn('panel') eq kind ? y : NaN
  if (kind eq 'precision') {
    unset colorbox
    do for [i = 1 : words(legend_colors)] {
      set label '■' at screen (left + legend_start + legend_step*(i - 1))/width, screen 1 - (above - 12)/height left textcolor rgb '#'.word(legend_colors, i)
      set label word(legend_names, i) at screen (left + legend_start + legend_step*(i - 1) + 16)/width, screen 1 - (above - 12)/height left font family.',11'
    }
    plot data using (column('layer_index')):(mine(-column('row'))):(column('layer_index') - 0.46):(column('layer_index') + 0.46):(-column('row') - 0.44):(-column('row') + 0.44):(rgb('color')) with boxxyerror lc rgb variable, @named
  } else {
    bar_x = 1 - (right - 14)/width
    bar_y = 1 - (above + row_height*rows)/height
    bar_width = 12.0/width
    bar_height = row_height*rows/height
    set colorbox vertical user origin screen bar_x, screen bar_y size screen bar_width, screen bar_height
    low = panel_low[p]
    high = panel_high[p]
    set cbrange [low:high]
    set cbtics (sprintf('%.2g', low) low, sprintf('%.2g', high) high) font family.',9'
    if (kind eq 'sqnr') { set palette positive } else { set palette negative }
    plot data using (column('layer_index')):(mine(-column('row'))):(column('layer_index') - 0.46):(column('layer_index') + 0.46):(-column('row') - 0.44):(-column('row') + 0.44):(num('value')) with boxxyerror lc palette, @named
  }
  above = above + row_height*rows + gap
}
unset multiplot
