#include "worker/engine/quantize/assignment.h"

#include <algorithm>
#include <utility>

namespace quantlab::engine {
namespace {

double CostOf(const PrecisionChoice& choice, Cost cost) {
  return cost == Cost::kSeconds ? choice.seconds : choice.bytes;
}

// A step down a layer's own hull: so much less divergence for so much more cost.
struct Step {
  size_t layer = 0, to = 0;
  double worth = 0;  // divergence saved per cost
};

// The corners of one layer's hull from its cheapest choice on, as steps of falling worth.
std::vector<Step> HullSteps(const std::vector<PrecisionChoice>& choices, size_t layer, size_t start,
                            Cost cost) {
  std::vector<Step> steps;
  for (size_t at = start;;) {
    Step best{layer, at, 0};
    for (size_t i = 0; i < choices.size(); ++i) {
      const double saved = choices[at].divergence - choices[i].divergence;
      const double paid = CostOf(choices[i], cost) - CostOf(choices[at], cost);
      if (saved <= 0 || paid <= 0) continue;
      if (best.to == at || saved / paid > best.worth) best = {layer, i, saved / paid};
    }
    if (best.to == at) return steps;
    steps.push_back(best);
    at = best.to;
  }
}

// Least cost; of equal costs the least divergence; then the first.
size_t Cheapest(const std::vector<PrecisionChoice>& choices, Cost cost) {
  size_t best = 0;
  for (size_t i = 1; i < choices.size(); ++i) {
    const auto key = [&](size_t c) { return std::pair(CostOf(choices[c], cost), choices[c].divergence); };
    if (key(i) < key(best)) best = i;
  }
  return best;
}

}  // namespace

Assignment Assign(const std::vector<LayerChoices>& layers, std::vector<size_t> chosen) {
  Assignment assignment;
  assignment.chosen = std::move(chosen);
  for (size_t i = 0; i < layers.size(); ++i) {
    const PrecisionChoice& choice = layers[i].choices[assignment.chosen[i]];
    assignment.seconds += choice.seconds;
    assignment.bytes += choice.bytes;
    assignment.divergence += choice.divergence;
  }
  return assignment;
}

std::vector<Assignment> ParetoFront(const std::vector<LayerChoices>& layers, Cost cost) {
  std::vector<size_t> chosen;
  std::vector<Step> steps;
  for (size_t i = 0; i < layers.size(); ++i) {
    chosen.push_back(Cheapest(layers[i].choices, cost));
    const std::vector<Step> own = HullSteps(layers[i].choices, i, chosen.back(), cost);
    steps.insert(steps.end(), own.begin(), own.end());
  }
  // Stable: steps of one layer fall in worth already, and equal ones keep the order of computation.
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.worth > b.worth; });
  std::vector<Assignment> front = {Assign(layers, chosen)};
  for (const Step& step : steps) {
    chosen[step.layer] = step.to;
    front.push_back(Assign(layers, chosen));
  }
  return front;
}

}  // namespace quantlab::engine
