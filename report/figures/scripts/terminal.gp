# Needs name, width and height (pixels). PNG has twice as many; its font is given in points, 3/4 of them to a pixel.
if (format eq 'svg') {
  set terminal svg size width, height fixed font family.',13' background '#FFFFFF' noenhanced
} else {
  set terminal pngcairo size 2*width, 2*height font family.',13' fontscale 1.5 linewidth 2 pointscale 2 noenhanced
}
set output name.'.'.lang.'.'.format
