// Where the tensors of a model folder are.
#ifndef QUANTLAB_MODEL_FOLDER_WEIGHT_FILES_H_
#define QUANTLAB_MODEL_FOLDER_WEIGHT_FILES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab {

inline constexpr char kSafetensorsFile[] = "model.safetensors";
inline constexpr char kSafetensorsIndex[] = "model.safetensors.index.json";
inline constexpr char kPickleFile[] = "pytorch_model.bin";

struct WeightFiles {
  bool pickled = false;            // kPickleFile
  std::vector<std::string> files;  // names within the folder, sorted; one where there is no index
  // By tensor, its file; empty without an index.
  std::map<std::string, std::string> file_of;
};

// The first of model.safetensors, the shards of model.safetensors.index.json, and pytorch_model.bin that is
// there; what it holds is not looked at.
// Errors: NOT_FOUND none of them; INVALID_ARGUMENT the index is malformed, or names a file that is missing or
// outside of the folder.
absl::StatusOr<WeightFiles> FindWeightFiles(const std::string& folder);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_WEIGHT_FILES_H_
