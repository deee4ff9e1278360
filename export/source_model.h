// A saved model as the exporters read it: config.json, plan.json, and where each tensor lies in its file.
// Needs no LibTorch; no tensor is read before it is written elsewhere.
#ifndef QUANTLAB_EXPORT_SOURCE_MODEL_H_
#define QUANTLAB_EXPORT_SOURCE_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model_folder/stored_tensors.h"
#include "worker/engine/families/encoder_config.h"
#include "worker/engine/families/families.h"

namespace quantlab::model_export {

// One linear layer or embedding table. Options that its kind does not have keep these defaults.
struct LayerEntry {
  std::string name;
  std::string kind = "fp32";                   // as in plan.json: "fp32", "int8_static", "int8_rows", …
  std::map<std::string, std::string> tensors;  // name in the file by role: "weight_int8", …
  int64_t weight_bits = 8;
  int64_t group_size = 64;
  bool symmetric = false;
  bool per_token = true;
  bool reduce_range = false;
};

// Ownership: owns everything but the folder, which must not change while this is in use.
// Threads:   const methods are safe to call from several threads.
class SourceModel {
 public:
  // Checks config.json, plan.json and the headers of the weights; tensors that are missing are found when
  // they are asked for. Errors: NOT_FOUND, INVALID_ARGUMENT name the file, and the layer or the tensor.
  static absl::StatusOr<SourceModel> Open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const engine::EncoderConfig& config() const { return config_; }
  const engine::EncoderLayout& layout() const { return family_->layout; }

  bool quantized() const { return !method_.empty(); }
  const std::string& method() const { return method_; }                      // empty: FP32
  const std::string& method_json() const { return method_json_; }            // name, version and parameters
  const std::string& activation_dtype() const { return activation_dtype_; }  // fp32, bf16, fp16

  // As the plan has it; a layer of FP32 where there is no plan. Names are those of the layout.
  LayerEntry Layer(const std::string& name) const;
  // How many layers and tables are of each kind.
  std::map<std::string, int> CountKinds() const;

  // A tensor by role: "weight", "bias", … Errors: NOT_FOUND names the layer and the role.
  absl::StatusOr<StoredTensor> Tensor(const LayerEntry& layer, const std::string& role) const;
  bool Has(const LayerEntry& layer, const std::string& role) const;
  // A tensor by its name in the layout ("bert.embeddings.LayerNorm.weight").
  absl::StatusOr<StoredTensor> Tensor(const std::string& name) const;

 private:
  absl::Status ReadPlan();
  absl::Status ReadTensors();

  std::string folder_;
  engine::EncoderConfig config_;
  const engine::ModelFamily* family_ = nullptr;
  std::string method_, method_json_, activation_dtype_ = "fp32";
  std::map<std::string, LayerEntry> planned_;
  StoredTensors tensors_;  // by names of the layout
};

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_SOURCE_MODEL_H_
