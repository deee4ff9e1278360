// The tensors of a model folder, in whichever of its forms they are stored.
#ifndef QUANTLAB_WORKER_ENGINE_TENSORS_FOLDER_WEIGHTS_H_
#define QUANTLAB_WORKER_ENGINE_TENSORS_FOLDER_WEIGHTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {

struct FolderWeights {
  TensorMap tensors;
  std::string where;  // names their origin in errors: the file, or the index of several
};

// Reads model.safetensors, else the shards of model.safetensors.index.json, else pytorch_model.bin. Tensors
// of safetensors look into the mapped files; those of pytorch_model.bin are copied, and nothing that a pickle
// could run is run.
// Errors: NOT_FOUND a file is missing; INVALID_ARGUMENT a file is malformed, or a tensor is in another shard
// than the index says, or in none; each names the file and the tensor.
absl::StatusOr<FolderWeights> ReadFolderWeights(const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TENSORS_FOLDER_WEIGHTS_H_
