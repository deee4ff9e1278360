// The interactive charts of a page: the values of the figures, for the script that draws them on a screen.
// The pictures remain for paper, and for browsers without scripts.
#ifndef QUANTLAB_REPORT_PAGE_CHARTS_H_
#define QUANTLAB_REPORT_PAGE_CHARTS_H_

#include <string>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// A list with one object for each figure that has a chart:
//
//   {"figure": its title, which is the picture's alternative text,
//    "views": [{"name", "kind", "x", "y", "series": […], …}]}
//
// A view is one drawing; readers switch between the views of a chart. Its kinds: "rows" (a point with its
// interval for each variant), "bars" (from 0), "points" (two quantities) and "lines". "x" and "y" are the
// titles of the axes, "reference" and "level" the values of x and y to compare with, "ticks" names for x = 0,
// 1, ….
//
// A series is {"variant", "label", "color", "points"}; a point {"x", "y", "xl", "xh", "yl", "yh", "size",
// "ring", "text", "p", "rawP"}: its values in the units of the axes, the ends of its intervals, its area as a
// share of the largest, whether it is marked, the lines that a reader sees on it, and its p with and without
// correction. What is unknown is absent.
std::string ChartsJson(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_PAGE_CHARTS_H_
