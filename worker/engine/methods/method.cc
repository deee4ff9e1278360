#include "worker/engine/methods/method.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

absl::Status CheckFp32(const Encoder& model) {
  absl::Status status;
  model.ForEachLinear([&](const LayerInfo& info, const Linear& layer) {
    if (status.ok() && dynamic_cast<const LinearFp32*>(&layer) == nullptr) {
      status = absl::InvalidArgumentError(absl::StrCat(info.name, " is ", layer.precision().effective,
                                                       " already; quantize an FP32 checkpoint"));
    }
  });
  return status;
}

absl::Status CheckContext(const MethodSpec& spec, const Params& resolved,
                          const QuantizationContext& context) {
  const MethodInputs inputs = spec.inputs(resolved);
  const auto missing = [&spec](const char* what) {
    return absl::FailedPreconditionError(absl::StrCat(spec.name, " needs ", what, ", and there are none"));
  };
  if (inputs.training_texts && (context.train == nullptr || context.train->texts.empty())) {
    return missing("training examples");
  }
  if (inputs.validation_texts && (context.validation == nullptr || context.validation->texts.empty())) {
    return missing("validation examples (dataset.validation_size)");
  }
  return absl::OkStatus();
}

void QuantizeEmbeddings(Encoder& model) {
  model.ForEachEmbedding([](const LayerInfo&, std::unique_ptr<Embedding>& slot) {
    slot = std::make_unique<Int8Embedding>(Int8Embedding::Quantize(slot->tensors().at("weight")));
  });
}

}  // namespace

absl::StatusOr<QuantizationResult> QuantizationMethod::Apply(Encoder& model, const Params& params,
                                                             const QuantizationContext& context) const {
  QL_ASSIGN_OR_RETURN(const Params resolved, ResolveParams(spec(), params));
  QL_RETURN_IF_ERROR(CheckFp32(model));
  QL_RETURN_IF_ERROR(CheckContext(spec(), resolved, context));
  return CatchTorch(spec().name, [&]() -> absl::StatusOr<QuantizationResult> {
    QL_RETURN_IF_ERROR(Quantize(model, resolved, context));
    const auto embeddings = resolved.find("embeddings");
    if (embeddings != resolved.end() && embeddings->second == ParamValue(std::string("int8"))) {
      QuantizeEmbeddings(model);
    }
    return QuantizationResult{DescribePlan(model, spec(), resolved)};
  });
}

absl::Status ReplaceLinears(Encoder& model, const QuantizationContext& context, const LinearMaker& make) {
  int64_t total = 0, done = 0;
  std::as_const(model).ForEachLinear([&total](const LayerInfo&, const Linear&) { ++total; });
  absl::Status status;
  model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    if (!status.ok()) return;
    auto layer = CatchTorch(absl::StrCat("quantizing ", info.name),
                            [&] { return make(info.name, dynamic_cast<const LinearFp32&>(*slot)); });
    status = Annotate(layer.status(), info.name);
    if (!status.ok()) return;
    slot = *std::move(layer);
    status = context.Report(messages::kQuantizing(), ++done, total, "layer");
  });
  return status;
}

}  // namespace quantlab::engine
