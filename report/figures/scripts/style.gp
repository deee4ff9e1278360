# Shared by every figure: change fonts, lines and sizes here, then run redraw.sh. The colours of methods
# stand in the data.
set encoding utf8
set datafile separator comma
set datafile columnheaders
set datafile commentschars "\001"
chinese = lang eq 'zh'
label = 'label_'.lang
family = 'Noto Sans CJK SC'
ink = '#222222'
faint = '#DDDDDD'
set border 3 lc rgb ink lw 0.8
set tics nomirror out scale 0.4 textcolor rgb ink
set grid xtics lc rgb faint lt 1 lw 0.7
set style fill solid 1.0 noborder
set key reverse Left textcolor rgb ink samplen 1.5 spacing 1.2
set errorbars 0.6
set style textbox opaque fillcolor rgb '#FFFFFF' noborder margins 0.3, 0.3

# Columns by name; an empty field is no number.
rgb(c) = int('0x'.stringcolumn(c))
has(c) = strlen(stringcolumn(c)) > 0
num(c) = has(c) ? column(c) : NaN
# The second column where the first is empty.
either(c, d) = has(c) ? column(c) : num(d)
# Variants of one method share its colour. Points and dashes tell them apart, and tints of bars: mark counts them.
point_type(mark) = int(word('7 5 9 13 11 15 4 6 8 12', 1 + int(mark)%10))
dash_type(mark) = 1 + int(mark)%5
lifted(c, share) = int(c + (255 - c)*share)
mixed(c, share) = 65536*lifted(c/65536%256, share) + 256*lifted(c/256%256, share) + lifted(c%256, share)
tint(c, mark) = mixed(c, 0.22*(int(mark)%4))
# Only rows whose column is that value.
where(c, value, y) = column(c) == value ? y : NaN
