#include "report/figures/label_placer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace quantlab::report {
namespace {

constexpr double kPointRadius = 7;
constexpr double kGap = 3;
constexpr int kRings = 16;

struct Box {
  double left, right, bottom, top;

  bool Overlaps(const Box& other) const {
    return left < other.right && other.left < right && bottom < other.top && other.bottom < top;
  }
};

Box Around(const Spot& center, double width, double height) {
  return {center.x - width / 2, center.x + width / 2, center.y - height / 2, center.y + height / 2};
}

// Positions around a point, nearest first: right, left, above, below, and the diagonals.
std::vector<Spot> Candidates(const Spot& point, const LabelSize& size) {
  std::vector<Spot> spots;
  for (int ring = 0; ring < kRings; ++ring) {
    const double away = kPointRadius + kGap + ring * size.height;
    const double x = away + size.width / 2, y = away + size.height / 2;
    for (const auto& [dx, dy] : {std::pair(x, 0.0), std::pair(-x, 0.0), std::pair(0.0, y), std::pair(0.0, -y),
                                 std::pair(x, y), std::pair(-x, y), std::pair(x, -y), std::pair(-x, -y)}) {
      spots.push_back({point.x + dx, point.y + dy});
    }
  }
  return spots;
}

Spot Clamped(Spot spot, const LabelSize& size, double width, double height) {
  spot.x = std::clamp(spot.x, size.width / 2, std::max(size.width / 2, width - size.width / 2));
  spot.y = std::clamp(spot.y, size.height / 2, std::max(size.height / 2, height - size.height / 2));
  return spot;
}

}  // namespace

bool NeedsLine(const Spot& point, const Spot& label, const LabelSize& size) {
  const double x = std::max(std::abs(point.x - label.x) - size.width / 2, 0.0);
  const double y = std::max(std::abs(point.y - label.y) - size.height / 2, 0.0);
  // A little more than the corner of the nearest ring.
  return std::hypot(x, y) > 1.5 * (kPointRadius + kGap);
}

std::vector<Spot> PlaceLabels(const std::vector<Spot>& points, const std::vector<LabelSize>& sizes,
                              double frame_width, double frame_height) {
  const Box frame = {0, frame_width, 0, frame_height};
  std::vector<Box> taken;
  for (const Spot& point : points) taken.push_back(Around(point, 2 * kPointRadius, 2 * kPointRadius));
  std::vector<Spot> placed;
  for (size_t i = 0; i < points.size(); ++i) {
    const std::vector<Spot> candidates = Candidates(points[i], sizes[i]);
    const auto free = std::find_if(candidates.begin(), candidates.end(), [&](const Spot& spot) {
      const Box box = Around(spot, sizes[i].width, sizes[i].height);
      const bool inside = box.left >= frame.left && box.right <= frame.right && box.bottom >= frame.bottom &&
                          box.top <= frame.top;
      return inside &&
             std::none_of(taken.begin(), taken.end(), [&](const Box& other) { return box.Overlaps(other); });
    });
    const Spot spot =
        free != candidates.end() ? *free : Clamped(candidates.front(), sizes[i], frame_width, frame_height);
    taken.push_back(Around(spot, sizes[i].width, sizes[i].height));
    placed.push_back(spot);
  }
  return placed;
}

}  // namespace quantlab::report
