// Chooses a precision for each layer from measured costs and measured harms. Pure arithmetic.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_ASSIGNMENT_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_ASSIGNMENT_H_

#include <cstddef>
#include <string>
#include <vector>

namespace quantlab::engine {

// One precision that a layer could have.
struct PrecisionChoice {
  std::string precision;  // "int8", "bf16", "fp16", "fp32"
  double seconds = 0;     // of one forward pass of the layer, measured
  double bytes = 0;       // of its tensors
  // Mean KL divergence of the model's predictions when only this layer has this precision: at least 0, and 0
  // for FP32; infinite where a prediction is not finite, as when FP16 overflows.
  double divergence = 0;
};

struct LayerChoices {
  std::string layer;
  std::vector<PrecisionChoice> choices;  // at least one
};

enum class Cost { kSeconds, kBytes };

// One choice for each layer, and the sums over layers.
struct Assignment {
  std::vector<size_t> chosen;  // index into each layer's choices
  double seconds = 0, bytes = 0, divergence = 0;
};

Assignment Assign(const std::vector<LayerChoices>& layers, std::vector<size_t> chosen);

// From the cheapest to the least harmful: the corners of the lower convex hull of (cost, divergence) over all
// assignments, with the sums of the layers' divergences standing for the harm of all together (as in HAWQ-V2,
// Dong 2020, arXiv 1911.03852, which takes a Hessian's trace instead). Each differs from the one before in
// one layer, or in several of equal worth. Of equal choices the first of a layer's list wins.
std::vector<Assignment> ParetoFront(const std::vector<LayerChoices>& layers, Cost cost);

// Takes the same steps greedily while they fit: a step that exceeds the budget ends that layer's steps, not
// the others'. The harm is at most that of the last corner of the front that fits. Returns the cheapest
// assignment where nothing fits.
Assignment FillBudget(const std::vector<LayerChoices>& layers, Cost cost, double budget);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_ASSIGNMENT_H_
