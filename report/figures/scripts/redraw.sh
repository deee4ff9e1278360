#!/bin/sh
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
