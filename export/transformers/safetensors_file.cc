#include "export/transformers/safetensors_file.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/output_files.h"
#include "model_folder/stored_tensors.h"

namespace quantlab::model_export {
namespace {

uint64_t BytesOf(const WrittenTensor& tensor) {
  uint64_t bytes = BytesOfDtype(tensor.dtype);
  for (const int64_t side : tensor.shape) bytes *= static_cast<uint64_t>(side);
  return bytes;
}

// The header with its length in front. Blanks after it align the tensors.
std::string Header(const std::vector<WrittenTensor>& tensors) {
  nlohmann::ordered_json json = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t begin = 0;
  for (const WrittenTensor& tensor : tensors) {
    const uint64_t end = begin + BytesOf(tensor);
    json[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = json.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

absl::Status WriteAll(const std::vector<WrittenTensor>& tensors, std::ofstream& out) {
  out << Header(tensors);
  for (const WrittenTensor& tensor : tensors) {
    QL_ASSIGN_OR_RETURN(const std::string bytes, tensor.make());
    if (bytes.size() != BytesOf(tensor) || bytes.empty()) {
      return absl::InternalError(absl::StrCat("the tensor ", tensor.name, " has ", bytes.size(),
                                              " bytes and not ", BytesOf(tensor)));
    }
    out << bytes;
    if (!out) break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSafetensors(const std::vector<WrittenTensor>& tensors, const std::string& path) {
  std::ofstream out;
  QL_RETURN_IF_ERROR(OpenOutput(path, out));
  QL_RETURN_IF_ERROR(WriteAll(tensors, out));
  return CloseOutput(out, path);
}

}  // namespace quantlab::model_export
