// Quantization methods as the engine sees them. A method is one file that makes one of these, and one
// line in AllQuantizationMethods; its MethodSpec stands in base/methods.cc.
#ifndef QUANTLAB_WORKER_ENGINE_QUANTIZE_METHOD_H_
#define QUANTLAB_WORKER_ENGINE_QUANTIZE_METHOD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/method_spec.h"
#include "worker/engine/model/bert.h"
#include "worker/engine/quantize/plan.h"

namespace quantlab::engine {

// What a method may use besides the model.
struct QuantizationContext {
  // Called after each layer; never from another thread. May be empty.
  std::function<void(int64_t done, int64_t total)> progress;
  // Asked between layers: true ends Apply with CANCELLED. May be empty.
  std::function<bool()> should_stop;
};

struct QuantizationResult {
  QuantizationPlan plan;  // of the model as it is afterwards
};

// Threads: stateless; one object may be used by several threads.
class QuantizationMethod {
 public:
  virtual ~QuantizationMethod() = default;

  virtual const MethodSpec& spec() const = 0;

  // Changes `model`, an FP32 one, on the device where it is. `params` are completed and checked against
  // spec(). The same model, params and seed give the same result to the bit.
  // Errors: INVALID_ARGUMENT names the parameter or the layer; CANCELLED. After an error the model is in
  // an unspecified state.
  virtual absl::StatusOr<QuantizationResult> Apply(BertForSequenceClassification& model, const Params& params,
                                                   const QuantizationContext& context) const = 0;
};

std::unique_ptr<QuantizationMethod> MakeDynamicQuantization();

// One of each, in the order of AllMethods().
std::vector<std::unique_ptr<QuantizationMethod>> AllQuantizationMethods();

// Errors: NOT_FOUND names the ones there are.
absl::StatusOr<std::unique_ptr<QuantizationMethod>> MakeQuantizationMethod(const std::string& name);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_QUANTIZE_METHOD_H_
