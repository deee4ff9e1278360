// Whether another runtime computes the model that was measured: how far its logits may differ from
// quant-runner's, and whether they do.
#ifndef QUANTLAB_RUNTIMES_AGREEMENT_H_
#define QUANTLAB_RUNTIMES_AGREEMENT_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab::runtimes {

// How a saved model computes, from its plan.json.
struct ModelForm {
  std::set<std::string> kinds;  // of linear layers: "fp32", "int8_static", …
  std::string activation_dtype = "fp32";
  bool is_fp32() const;  // throughout
};

// A folder without plan.json is a model in FP32.
// Errors: INVALID_ARGUMENT plan.json is malformed; those of reading it.
absl::StatusOr<ModelForm> ReadModelForm(const std::string& folder);

// Whether a model exported in `format` (export/exporter.h; "folder": the saved model itself) computes with
// the same quantization as the saved one. Formats of plain weights do only for models without any.
bool ComputesAsMeasured(absl::string_view format, const ModelForm& form);

// The largest difference of a logit that is tolerated, as a share of the largest logit.
//
// FP32: sums in another order. Half precision and weight-only: quant-runner rounds inputs and sums to 8 bits
// of mantissa where the processor has BF16 products. INT8 and FP8: a value next to the middle of two steps
// may be rounded to the other one, and all later layers see it. Formats without quantized activations differ
// by the whole error of that quantization.
double ToleratedShare(const ModelForm& form, absl::string_view format);

// The sentences that are compared where the user gives none, one a line.
absl::string_view BuiltInTexts();

using Logits = std::vector<std::vector<float>>;

struct Agreement {
  double difference = 0;  // largest of a logit; infinite where one is not finite
  double tolerance = 0, largest_logit = 0;
  double agreement = 0;  // share of equal labels
  // Within the tolerance, and a label differs only where the two largest logits are as close as that.
  bool passed = false;
};

// INVALID_ARGUMENT: the two are not of one shape, or there are no logits.
absl::StatusOr<Agreement> Compare(const Logits& expected, const Logits& actual, double share);

}  // namespace quantlab::runtimes

#endif  // QUANTLAB_RUNTIMES_AGREEMENT_H_
