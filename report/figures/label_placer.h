// Places the labels of a scatter plot so that none overlaps another, a point, or the edge of the frame.
#ifndef QUANTLAB_REPORT_FIGURES_LABEL_PLACER_H_
#define QUANTLAB_REPORT_FIGURES_LABEL_PLACER_H_

#include <vector>

namespace quantlab::report {

// In pixels, from the frame's left and bottom.
struct Spot {
  double x = 0, y = 0;
};

struct LabelSize {
  double width = 0, height = 0;
};

// Whether a label is so far from its point that it needs a line to it.
bool NeedsLine(const Spot& point, const Spot& label, const LabelSize& size);

// One center per point, in the order of the points. If no position is free, the label is placed as near as it
// fits. Deterministic: labels are placed in order.
std::vector<Spot> PlaceLabels(const std::vector<Spot>& points, const std::vector<LabelSize>& sizes,
                              double frame_width, double frame_height);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FIGURES_LABEL_PLACER_H_
