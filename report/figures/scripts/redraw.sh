#!/bin/sh
# Draws every figure anew from the data beside it, as SVG and PNG. Needs gnuplot with its cairo terminals
# (Debian: gnuplot-nox) and, for Chinese, the font Noto Sans CJK SC (fonts-noto-cjk). A figure that cannot be
# drawn is named at the end; the others are drawn nevertheless.
set -eu
cd "$(dirname "$0")"
command -v gnuplot >/dev/null || { echo "gnuplot is missing; install it (Debian: apt-get install gnuplot-nox)" >&2; exit 3; }
failed=
for script in */*.gp; do
  for lang in LANGUAGES; do
    for format in svg png; do
      figure="${script%.gp}.$lang.$format"
      if ! gnuplot -e "lang='$lang'; format='$format'" "$script" || ! [ -s "$figure" ]; then
        rm -f "$figure"
        failed="$failed $figure"
      fi
    done
    # A browser without that font takes the next one that has the characters.
    svg="${script%.gp}.$lang.svg"
    [ -e "$svg" ] || continue
    sed 's/font-family="Noto Sans CJK SC"/font-family="Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"/g' \
      "$svg" >"$svg.new"
    mv "$svg.new" "$svg"
  done
done
[ -z "$failed" ] || { echo "gnuplot did not draw$failed" >&2; exit 4; }
