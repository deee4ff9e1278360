panel = row_height*rows
height = batches*(top + panel + bottom)
load 'terminal.gp'
set multiplot
unset ytics
set yrange [0.5 - rows : 0.5]
y(shift) = shift - column('row')
middle = left + 0.5*(width - left)
do for [b = 0 : batches - 1] {
  above = b*(top + panel + bottom) + top
  set tmargin at screen 1 - above/height
  set bmargin at screen 1 - (above + panel)/height
  unset arrow
  unset label

  set lmargin at screen left/width
  set rmargin at screen (middle - 70)/width
  set xrange [0:latency_high[b + 1]]
  set xtics latency_step[b + 1]
  set format x '%g'
  set xlabel latency_axis
  shape = lengths[b + 1] > 0 ? sprintf(texts_of, lengths[b + 1]) : texts
  set title sprintf('%d', batch_sizes[b + 1]).shape.latency_title
  plot data using (0):(where('panel', b, y(0))):(0):(num('p50_ms')):(y(-0.32)):(y(0.32)):(tint(rgb('color'), column('mark'))) with boxxyerror lc rgb variable notitle, \
       data using (0):(where('panel', b, y(0))):(stringcolumn(label)) with labels right offset -0.8,0 textcolor rgb ink notitle, \
       data using (num('p50_ms')):(where('panel', b, y(0))):(num('p50_ms')):(either('p90_ms','p50_ms')) with xerrorbars pt 0 lw 1.5 lc rgb '#555555' notitle, \
       data using (either('p90_ms','p50_ms')):(where('panel', b, y(0))):(has('p50_ms') ? sprintf('%.3g', num('p50_ms')) : '') with labels left offset 0.6,0 font family.',11' textcolor rgb ink notitle

  set lmargin at screen (middle + 10)/width
  set rmargin at screen 1 - 70.0/width
  set xrange [speedup_low[b + 1]:speedup_high[b + 1]]
  set xtics speedup_step[b + 1]
  set format x '%g×'
  set xlabel speedup_axis
  set title (reliable[b + 1] > 0 ? speedup_title : speedup_title.unreliable)
  set arrow from 1, graph 0 to 1, graph 1 nohead dt 2 lw 1.2 lc rgb '#777777' back
  edge = speedup_high[b + 1]
  plot data using (num('speedup')):(where('panel', b, y(0))):(either('speedup_low','speedup')):(either('speedup_high','speedup')):(rgb('color')) with xerrorbars pt 0 lw 2 lc rgb variable notitle, \
       data using (num('speedup')):(where('panel', b, y(0))):(point_type(column('mark'))):(rgb('color')) with points pt variable ps 1.1 lc rgb variable notitle, \
       data using (edge):(where('panel', b, y(0))):(has('speedup') ? sprintf('%.2f×', num('speedup')) : '') with labels left offset 0.6,0 font family.',11' textcolor rgb ink notitle
}
unset multiplot
