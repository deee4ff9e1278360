load 'terminal.gp'
set multiplot
set grid xtics lc rgb faint lt 1 lw 0.7
column_width = (width - left)/3.0
set tics font family.',11'
set title offset 0, -0.6
row_height = height/2.0
y(shift) = shift - column('row')
unset ytics
# Only the first of a row names the variants.
variant_name(unused) = c == 0 ? stringcolumn(label) : ''
# Where the next plot goes.
place = 'set lmargin at screen (left + c*column_width)/width; set rmargin at screen (left + (c + 1)*column_width - 62)/width; set tmargin at screen 1 - (r*row_height + 46)/height; set bmargin at screen 1 - ((r + 1)*row_height - 40)/height'
set yrange [0.5 - rows : 0.5]
unset key
r = 0
c = 0
if (has_accuracy) {
  @place
  set xrange [accuracy_low:accuracy_high]
  set xtics accuracy_step
  set format x '%.1f%%'
  set title title_accuracy
  plot data using (100*num('accuracy')):(y(0)):(100*either('accuracy_low','accuracy')):(100*either('accuracy_high','accuracy')):(rgb('color')) with xerrorbars pt 0 lw 1.8 lc rgb variable, \
       data using (100*num('accuracy')):(y(0)):(point_type(column('mark'))):(rgb('color')) with points pt variable ps 1 lc rgb variable, \
       data using (accuracy_low):(y(0)):(variant_name(0)) with labels right offset -0.6,0 textcolor rgb ink, \
       data using (accuracy_high):(y(0)):(has('accuracy') ? sprintf('%.2f%%', 100*num('accuracy')) : '') with labels left offset 0.4,0 font family.',10' textcolor rgb ink
  c = c + 1
}
array names[4] = ['f1', 'size', 'memory', 'speedup']
array titles[4] = [title_f1, title_size, title_memory, title_speedup]
array highs[4] = [f1_high, size_high, memory_high, speedup_high]
array lows[4] = [f1_low, 0, 0, 0]
array steps[4] = [f1_step, size_step, memory_step, speedup_step]
array scales[4] = [100, 1/unit, 1/unit, 1]
array formats[4] = ['%.2f%%', '%.3g', '%.3g', '%.2f×']
array ticks[4] = ['%.1f%%', '%g', '%g', '%g×']
do for [i = 1 : 4] {
  if (highs[i] > 0) {
    if (c == 3) { c = 0; r = 1 }
    @place
    set xrange [lows[i]:highs[i]]
    set format x ticks[i]
    set xtics steps[i]
    set title titles[i]
    if (i == 1) {
      plot data using (scales[i]*num(names[i])):(y(0)):(rgb('color')) with points pt 4 ps 1.1 lw 1.8 lc rgb variable, \
           data using (lows[i]):(y(0)):(variant_name(0)) with labels right offset -0.6,0 textcolor rgb ink, \
           data using (highs[i]):(y(0)):(has(names[i]) ? sprintf(formats[i], scales[i]*num(names[i])) : '') with labels left offset 0.4,0 font family.',10' textcolor rgb ink
    } else {
      plot data using (0):(y(0)):(0):(scales[i]*num(names[i])):(y(-0.32)):(y(0.32)):(tint(rgb('color'), column('mark'))) with boxxyerror lc rgb variable, \
           data using (0):(y(0)):(variant_name(0)) with labels right offset -0.6,0 textcolor rgb ink, \
           data using (scales[i]*num(names[i])):(y(0)):(i == 4 ? either('speedup_low', names[i]) : NaN):(i == 4 ? either('speedup_high', names[i]) : NaN) with xerrorbars pt 0 lw 1.5 lc rgb '#555555', \
           data using (i == 4 ? either('speedup_high', names[i]) : scales[i]*num(names[i])):(y(0)):(has(names[i]) ? sprintf(formats[i], scales[i]*num(names[i])) : '') with labels left offset 0.4,0 font family.',10' textcolor rgb ink
    }
    c = c + 1
  }
}
if (has_pareto) {
  if (c == 3) { c = 0; r = 1 }
  @place
  set lmargin at screen (left + c*column_width + 30)/width
  set xrange [0:size_high]
  set xtics size_step
  set yrange [accuracy_low:accuracy_high]
  set format x '%g'
  set format y '%.1f%%'
  set grid xtics ytics
  set ytics nomirror accuracy_step
  set title title_pareto
  plot data using (num('size')/unit):(100*num('accuracy')):(point_type(column('mark'))):(rgb('color')) with points pt variable ps 1.5 lc rgb variable
}
unset multiplot
