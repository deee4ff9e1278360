// What every script of a figure shares.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/figures/charts.h"

namespace quantlab::report {
namespace {

constexpr char kStyle[] =
    R"gp(# Shared by every figure: change fonts, lines and sizes here, then run redraw.sh. The colours of methods
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
)gp";

constexpr char kTerminal[] =
    R"gp(# Needs name, width and height (pixels). PNG has twice as many; its font is given in points, 3/4 of them to a pixel.
if (format eq 'svg') {
  set terminal svg size width, height fixed font family.',13' background '#FFFFFF' noenhanced
} else {
  set terminal pngcairo size 2*width, 2*height font family.',13' fontscale 1.5 linewidth 2 pointscale 2 noenhanced
}
set output name.'.'.lang.'.'.format
)gp";

constexpr char kRedraw[] = R"sh(#!/bin/sh
# Draws every figure anew from the data beside it, as SVG and PNG. Needs gnuplot with its cairo terminals
# (Debian: gnuplot-nox) and, for Chinese, the font Noto Sans CJK SC (fonts-noto-cjk).
set -eu
cd "$(dirname "$0")"
command -v gnuplot >/dev/null || { echo "gnuplot is missing; install it (Debian: apt-get install gnuplot-nox)" >&2; exit 3; }
for script in */*.gp; do
  for lang in LANGUAGES; do
    for format in svg png; do
      gnuplot -e "lang='$lang'; format='$format'" "$script"
    done
    # A browser without that font takes the next one that has the characters.
    svg="${script%.gp}.$lang.svg"
    sed 's/font-family="Noto Sans CJK SC"/font-family="Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"/g' \
      "$svg" >"$svg.new"
    mv "$svg.new" "$svg"
  done
done
)sh";

}  // namespace

std::vector<FigureData> FigureTools(const std::vector<Language>& languages) {
  std::string redraw = kRedraw;
  const std::string codes = absl::StrJoin(
      languages, " ", [](std::string* out, Language language) { *out += LanguageCode(language); });
  const std::string mark = "LANGUAGES";
  redraw.replace(redraw.find(mark), mark.size(), codes);
  return {{"style.gp", kStyle}, {"terminal.gp", kTerminal}, {"redraw.sh", redraw}};
}

std::vector<Figure> AllFigures(const Facts& facts) {
  std::vector<Figure> figures = {SystemDiagram(), ModelDiagram(facts)};
  for (auto* make : {&AccuracyChart, &SizeChart, &SpeedChart, &MemoryChart, &RadarChart, &ParetoChart,
                     &Dashboard, &LayerChart, &FrontChart, &CurvesChart}) {
    if (auto figure = make(facts)) figures.push_back(*std::move(figure));
  }
  return figures;
}

}  // namespace quantlab::report
