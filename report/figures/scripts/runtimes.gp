set xrange [low:high]
set xtics step
set format x '%g×'
set xlabel axis
set key at screen 0.5, screen 1 - 12.0/height center top horizontal width 2
set arrow from 1, graph 0 to 1, graph 1 nohead dt 2 lw 1.2 lc rgb '#777777' back
# From the fifth column on, each runtime has its speedup, low and high; the speedup's header is the runtime's title.
at(r) = 5 + 3*(r - 1)
lane(r) = runtimes > 1 ? 0.3 - 0.6*(r - 1)/(runtimes - 1) : 0
hue(r) = int('0x'.word('000000 E69F00 0072B2 CC79A7 009E73 D55E00 56B4E9 8C8C8C', 1 + (r - 1)%8))
dot(r) = int(word('7 5 9 13 11 15 4 6', 1 + (r - 1)%8))
plot data using (NaN):(y(0)):ytic(stringcolumn(label)) with points notitle, \
     for [r = 1 : runtimes] data using (num(at(r))):(y(lane(r))):(either(at(r) + 1, at(r))):(either(at(r) + 2, at(r))) with xerrorbars pt dot(r) ps 1.0 lw 1.8 lc rgb hue(r) title columnheader(at(r))
