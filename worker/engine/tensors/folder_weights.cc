#include "worker/engine/tensors/folder_weights.h"

#include <algorithm>
#include <caffe2/serialize/inline_container.h>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model_folder/model_folder.h"
#include "model_folder/pickled_state.h"
#include "model_folder/weight_files.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

std::string Join(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

absl::Status Bad(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

// ---- shards ----

absl::Status AddShard(const std::string& path, const std::string& name, const WeightFiles& weights,
                      TensorMap* tensors) {
  QL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  for (const auto& [tensor, entry] : file.entries()) {
    const auto it = weights.file_of.find(tensor);
    if (it == weights.file_of.end() || it->second != name) {
      return Bad(path, absl::StrCat("holds tensor ", tensor, ", which ", kSafetensorsIndex,
                                    it == weights.file_of.end() ? " does not name"
                                                                : absl::StrCat(" places in ", it->second)));
    }
    QL_ASSIGN_OR_RETURN((*tensors)[tensor], file.Get(tensor));
  }
  return absl::OkStatus();
}

absl::StatusOr<FolderWeights> ReadShards(const std::string& folder, const WeightFiles& weights) {
  FolderWeights read{{}, Join(folder, kSafetensorsIndex)};
  for (const std::string& name : weights.files) {
    QL_RETURN_IF_ERROR(AddShard(Join(folder, name), name, weights, &read.tensors));
  }
  for (const auto& [tensor, file] : weights.file_of) {
    if (read.tensors.count(tensor) > 0) continue;
    return Bad(Join(folder, file),
               absl::StrCat("lacks tensor ", tensor, ", which ", kSafetensorsIndex, " places there"));
  }
  return read;
}

// ---- pytorch_model.bin ----

struct StorageType {
  const char* name;
  at::ScalarType dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", at::kFloat},   {"HalfStorage", at::kHalf}, {"BFloat16Storage", at::kBFloat16},
    {"DoubleStorage", at::kDouble}, {"LongStorage", at::kLong}, {"IntStorage", at::kInt},
    {"ShortStorage", at::kShort},   {"CharStorage", at::kChar}, {"ByteStorage", at::kByte},
    {"BoolStorage", at::kBool},
};

// The file of torch.save: a zip archive with data.pkl and one record for each storage.
class PickleFile {
 public:
  explicit PickleFile(const std::string& path)
      : path_(path), reader_(path), bytes_(static_cast<int64_t>(std::filesystem::file_size(path))) {}

  // Throws what LibTorch throws for a malformed archive.
  absl::StatusOr<TensorMap> Read() {
    const auto [data, size] = reader_.getRecord("data.pkl");
    const auto state = ParsePickledState(absl::string_view(static_cast<const char*>(data.get()), size));
    if (!state.ok()) return Bad(path_, std::string(state.status().message()));
    TensorMap tensors;
    for (const PickledTensor& tensor : *state) {
      QL_ASSIGN_OR_RETURN(tensors[tensor.name], Make(tensor));
    }
    return tensors;
  }

 private:
  struct Record {
    at::DataPtr data;
    int64_t bytes = 0;
  };

  absl::StatusOr<at::Tensor> Make(const PickledTensor& tensor) {
    const auto* type = std::find_if(std::begin(kStorageTypes), std::end(kStorageTypes),
                                    [&](const StorageType& t) { return tensor.storage_type == t.name; });
    if (type == std::end(kStorageTypes)) {
      return Bad(path_, absl::StrCat("tensor ", tensor.name, " is of a ", tensor.storage_type,
                                     ", which is not supported"));
    }
    const std::string record_name = absl::StrCat("data/", tensor.storage_key);
    auto record = records_.find(record_name);
    if (record == records_.end()) {
      if (!reader_.hasRecord(record_name)) {
        return Bad(path_, absl::StrCat("tensor ", tensor.name, ": the record ", record_name, " is missing"));
      }
      auto [data, size] = reader_.getRecord(record_name);
      record = records_.emplace(record_name, Record{std::move(data), static_cast<int64_t>(size)}).first;
    }
    return View(tensor, type->dtype, record->second);
  }

  // A contiguous copy of the view, which must lie within its storage.
  absl::StatusOr<at::Tensor> View(const PickledTensor& tensor, at::ScalarType dtype, const Record& record) {
    const int64_t limit = record.bytes / static_cast<int64_t>(at::elementSize(dtype));
    const auto outside = [&] {
      return Bad(path_, absl::StrCat("tensor ", tensor.name, " lies outside of its storage of ", record.bytes,
                                     " bytes"));
    };
    int64_t last = tensor.offset, elements = 1;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      int64_t step = 0;
      if (__builtin_mul_overflow(elements, tensor.shape[i], &elements) ||
          __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &step) ||
          __builtin_add_overflow(last, step, &last)) {
        return outside();
      }
    }
    // Strides of 0 could ask for far more than the file holds.
    if (elements > 0 && (last >= limit || elements > bytes_)) return outside();
    if (elements == 0) return at::empty(tensor.shape, at::dtype(dtype));
    const at::Tensor whole = at::from_blob(record.data.get(), {limit}, at::dtype(dtype));
    return whole.as_strided(tensor.shape, tensor.strides, tensor.offset).contiguous().clone();
  }

  const std::string path_;
  caffe2::serialize::PyTorchStreamReader reader_;
  const int64_t bytes_;
  std::map<std::string, Record> records_;
};

absl::StatusOr<FolderWeights> ReadPickle(const std::string& path) {
  QL_RETURN_IF_ERROR(CheckPickleFile(path));
  const std::string doing = absl::StrCat("reading ", path);
  QL_ASSIGN_OR_RETURN(TensorMap tensors, CatchTorch(doing, [&]() -> absl::StatusOr<TensorMap> {
                        return PickleFile(path).Read();
                      }));
  return FolderWeights{std::move(tensors), path};
}

}  // namespace

absl::StatusOr<FolderWeights> ReadFolderWeights(const std::string& folder) {
  QL_ASSIGN_OR_RETURN(const WeightFiles weights, FindWeightFiles(folder));
  if (!weights.file_of.empty()) return ReadShards(folder, weights);
  const std::string path = Join(folder, weights.files.front());
  if (weights.pickled) return ReadPickle(path);
  QL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  QL_ASSIGN_OR_RETURN(TensorMap tensors, file.GetAll());
  return FolderWeights{std::move(tensors), path};
}

}  // namespace quantlab::engine
