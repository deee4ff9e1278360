#!/bin/sh
# Draws every figure anew from the data beside it, as SVG and PNG. Needs gnuplot with its cairo terminals
# (Debian: gnuplot-nox) and, for Chinese, the font Noto Sans CJK SC (fonts-noto-cjk). A figure that cannot be
# drawn is named at the end; the others are drawn nevertheless.
set -eu
cd "$(dirname "$0")"
command -v gnuplot >/dev/null || { echo "gnuplot is missing; install it (Debian: apt-get install gnuplot-nox)" >&2; exit 3; }

languages="LANGUAGES"

# In one language and format, both as in the names of the files.
draw() {
  for script in */*.gp; do
    figure="${script%.gp}.$1.$2"
    if ! gnuplot -e "lang='$1'; format='$2'" "$script" || ! [ -s "$figure" ]; then
      rm -f "$figure"
    elif [ "$2" = svg ]; then
      # A browser without that font takes the next one that has the characters.
      sed 's/font-family="Noto Sans CJK SC"/font-family="Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"/g' \
        "$figure" >"$figure.new"
      mv "$figure.new" "$figure"
    fi
  done
}

for lang in $languages; do
  for format in svg png; do
    draw "$lang" "$format" &
  done
done
wait
failed=
for script in */*.gp; do
  for lang in $languages; do
    for format in svg png; do
      figure="${script%.gp}.$lang.$format"
      [ -s "$figure" ] || failed="$failed $figure"
    done
  done
done
[ -z "$failed" ] || { echo "gnuplot did not draw$failed" >&2; exit 4; }
