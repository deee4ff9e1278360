// Interface of quantization methods. A method is one file that implements it, and one line in
// all_methods.cc; its MethodSpec is in base/config/methods.cc.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_METHOD_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_METHOD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/method_spec.h"
#include "worker/engine/calibration/context.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/models/plan.h"

namespace quantlab::engine {

struct QuantizationResult {
  QuantizationPlan plan;  // of the quantized model
};

// Threads: stateless; one object may be used by several threads.
class QuantizationMethod {
 public:
  virtual ~QuantizationMethod() = default;

  virtual const MethodSpec& spec() const = 0;

  // Quantizes `model`, an FP32 one, on its device; embeddings too where params request it.
  // The same model, params, context and seed give the same result to the bit on one fingerprint.
  // Errors: INVALID_ARGUMENT names the parameter or the layer; FAILED_PRECONDITION the context lacks the
  // texts that the method needs, or the device cannot run it; CANCELLED. After an error the model is in an
  // unspecified state.
  absl::StatusOr<QuantizationResult> Apply(Encoder& model, const Params& params,
                                           const QuantizationContext& context) const;

 protected:
  // The method's own part of Apply: replaces linear layers of `model`. `params` are complete and checked
  // against spec(); the model is FP32 throughout; the texts that the spec needs are present.
  virtual absl::Status Quantize(Encoder& model, const Params& params,
                                const QuantizationContext& context) const = 0;
};

// Replaces every linear layer by what `make` gives for it, reporting progress after each.
// Errors: those of `make`, with the layer's name before them; CANCELLED.
using LinearMaker =
    std::function<absl::StatusOr<std::unique_ptr<Linear>>(const std::string& name, const LinearFp32& layer)>;
absl::Status ReplaceLinears(Encoder& model, const QuantizationContext& context, const LinearMaker& make);

// One of each, in the order of AllMethods().
std::vector<std::unique_ptr<QuantizationMethod>> AllQuantizationMethods();

// Errors: NOT_FOUND with the known names.
absl::StatusOr<std::unique_ptr<QuantizationMethod>> MakeQuantizationMethod(const std::string& name);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_METHOD_H_
