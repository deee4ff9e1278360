#include "model_folder/stored_tensors.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model_folder/safetensors_header.h"
#include "model_folder/weight_files.h"

namespace quantlab {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDimensions = 32;

struct Dtype {
  const char* name;
  uint64_t bytes;
};
constexpr Dtype kDtypes[] = {{"F64", 8}, {"I64", 8}, {"U64", 8},  {"F32", 4},     {"I32", 4},
                             {"U32", 4}, {"F16", 2}, {"BF16", 2}, {"I16", 2},     {"U16", 2},
                             {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};

template <typename... Args>
absl::Status Bad(const std::string& path, const std::string& tensor, const Args&... what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", tensor, ": ", what...));
}

absl::Status ReadShape(const std::string& name, const Json& shape, StoredTensor& tensor) {
  if (!shape.is_array() || shape.size() > kMaxDimensions) {
    return Bad(tensor.path, name, "shape is not a list of at most ", kMaxDimensions, " sizes");
  }
  uint64_t bytes = BytesOfDtype(tensor.dtype);
  for (const Json& size : shape) {
    if (!size.is_number_unsigned() || __builtin_mul_overflow(bytes, size.get<uint64_t>(), &bytes) ||
        bytes > std::numeric_limits<int64_t>::max()) {
      return Bad(tensor.path, name, "shape ", shape.dump(), " is no shape, or too large");
    }
    tensor.shape.push_back(static_cast<int64_t>(size.get<uint64_t>()));
  }
  if (bytes == tensor.bytes) return absl::OkStatus();
  return Bad(tensor.path, name, "shape ", shape.dump(), " of ", tensor.dtype, " takes ", bytes,
             " bytes, but data_offsets span ", tensor.bytes);
}

absl::StatusOr<StoredTensor> ReadEntry(const std::string& path, const std::string& name, const Json& entry,
                                       uint64_t data_begin, uint64_t data_bytes) {
  StoredTensor tensor;
  tensor.path = path;
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return Bad(path, name, "its header entry needs dtype, shape and data_offsets");
  }
  tensor.dtype = entry["dtype"].get<std::string>();
  if (BytesOfDtype(tensor.dtype) == 0) return Bad(path, name, "dtype ", tensor.dtype, " is unknown");
  const Json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return Bad(path, name, "data_offsets is not a pair of offsets");
  }
  const uint64_t begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
  if (begin > end || end > data_bytes) {
    return Bad(path, name, "data_offsets [", begin, ", ", end, "] lie outside of the ", data_bytes,
               " bytes of data in the file; is it truncated?");
  }
  tensor.begin = data_begin + begin;
  tensor.bytes = end - begin;
  QL_RETURN_IF_ERROR(ReadShape(name, entry["shape"], tensor));
  return tensor;
}

}  // namespace

int64_t StoredTensor::elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

uint64_t BytesOfDtype(const std::string& dtype) {
  for (const Dtype& known : kDtypes) {
    if (dtype == known.name) return known.bytes;
  }
  return 0;
}

absl::StatusOr<StoredTensors> ReadStoredTensors(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader(path));
  const Json json = Json::parse(header.json, nullptr, /*allow_exceptions=*/false);
  StoredTensors tensors;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") continue;
    QL_ASSIGN_OR_RETURN(tensors[name], ReadEntry(path, name, entry, header.data_begin,
                                                 header.file_bytes - header.data_begin));
  }
  return tensors;
}

absl::StatusOr<StoredTensors> ReadFolderTensors(const std::string& folder) {
  QL_ASSIGN_OR_RETURN(const WeightFiles files, FindWeightFiles(folder));
  const auto path_of = [&folder](const std::string& name) {
    return (std::filesystem::path(folder) / name).string();
  };
  if (files.pickled) {
    return absl::InvalidArgumentError(absl::StrCat(
        path_of(files.files.front()),
        ": only models in the safetensors format can be read here; quant-runner and transformers write it"));
  }
  StoredTensors tensors;
  for (const std::string& name : files.files) {
    QL_ASSIGN_OR_RETURN(const StoredTensors part, ReadStoredTensors(path_of(name)));
    for (const auto& [tensor, stored] : part) {
      if (!tensors.emplace(tensor, stored).second) {
        return Bad(path_of(name), tensor, "another file of the folder has it too");
      }
    }
  }
  return tensors;
}

absl::StatusOr<std::string> ReadTensorBytes(const StoredTensor& tensor) {
  std::string bytes(tensor.bytes, '\0');
  std::ifstream in(tensor.path, std::ios::binary);
  if (in.seekg(static_cast<std::streamoff>(tensor.begin)) &&
      in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    return bytes;
  }
  return absl::UnavailableError(absl::StrCat(tensor.path, ": ", tensor.bytes, " bytes at ", tensor.begin,
                                             " cannot be read; did the file change?"));
}

}  // namespace quantlab
