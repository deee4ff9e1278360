set xrange [0:high]
set format x '%g'
set xlabel axis
unset key
plot data using (0):(y(0)):(0):(num('bytes')/unit):(y(-0.32)):(y(0.32)):(tint(rgb('color'), column('mark'))):ytic(stringcolumn(label)) with boxxyerror lc rgb variable notitle, \
     data using (num('bytes')/unit):(y(0)):(has('bytes') ? sprintf('%.4g %s', num('bytes')/unit, unit_name).(has('ratio') ? sprintf('   %.2f×', num('ratio')) : '') : '') with labels left offset 0.8,0 font family.',12' textcolor rgb ink notitle
