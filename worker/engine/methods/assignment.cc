#include "worker/engine/methods/assignment.h"

#include <algorithm>
#include <utility>

namespace quantlab::engine {
namespace {

// Of a choice, or of a whole assignment.
template <typename Priced>
double CostOf(const Priced& priced, Cost cost) {
  return cost == Cost::kSeconds ? priced.seconds : priced.bytes;
}

// A step along a layer's own hull: less divergence at a higher cost.
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
      // Negated, so that the difference of two infinite divergences is no saving either.
      if (!(saved > 0) || !(paid > 0)) continue;
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

// The cheapest choice of each layer, and all layers' steps from there, most worth first.
struct Path {
  std::vector<size_t> start;
  std::vector<Step> steps;
};

Path CheapestFirst(const std::vector<LayerChoices>& layers, Cost cost) {
  Path path;
  for (size_t i = 0; i < layers.size(); ++i) {
    path.start.push_back(Cheapest(layers[i].choices, cost));
    const std::vector<Step> own = HullSteps(layers[i].choices, i, path.start.back(), cost);
    path.steps.insert(path.steps.end(), own.begin(), own.end());
  }
  // Stable: steps of one layer fall in worth already, and equal ones keep the order of computation.
  std::stable_sort(path.steps.begin(), path.steps.end(),
                   [](const Step& a, const Step& b) { return a.worth > b.worth; });
  return path;
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
  Path path = CheapestFirst(layers, cost);
  std::vector<Assignment> front = {Assign(layers, path.start)};
  for (const Step& step : path.steps) {
    path.start[step.layer] = step.to;
    front.push_back(Assign(layers, path.start));
  }
  return front;
}

Assignment FillBudget(const std::vector<LayerChoices>& layers, Cost cost, double budget) {
  Path path = CheapestFirst(layers, cost);
  std::vector<bool> ended(layers.size());
  Assignment best = Assign(layers, path.start);
  for (const Step& step : path.steps) {
    if (ended[step.layer]) continue;
    std::vector<size_t> chosen = best.chosen;
    chosen[step.layer] = step.to;
    Assignment next = Assign(layers, std::move(chosen));
    if (CostOf(next, cost) <= budget) {
      best = std::move(next);
    } else {
      ended[step.layer] = true;
    }
  }
  return best;
}

}  // namespace quantlab::engine
