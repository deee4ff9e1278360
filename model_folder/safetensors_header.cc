#include "model_folder/safetensors_header.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "model_folder/first_bytes.h"

namespace quantlab {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit

template <typename... Args>
absl::Status Bad(const std::string& path, const Args&... what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a valid safetensors file: ", what...));
}

uint64_t LittleEndian(const std::string& bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  return value;
}

// Bytes of data that a tensor's entry claims; 0 where it is malformed, which is left to the reader.
uint64_t EndOf(const Json& entry) {
  const auto offsets = entry.is_object() ? entry.find("data_offsets") : entry.end();
  if (!entry.is_object() || offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) return 0;
  return (*offsets)[1].is_number_unsigned() ? (*offsets)[1].get<uint64_t>() : 0;
}

// The shape of a tensor's entry; empty where it is malformed, which is left to the reader.
std::vector<int64_t> ShapeOf(const Json& entry) {
  const auto shape = entry.is_object() ? entry.find("shape") : entry.end();
  if (!entry.is_object() || shape == entry.end() || !shape->is_array()) return {};
  std::vector<int64_t> sides;
  for (const Json& side : *shape) {
    if (!side.is_number_integer()) return {};
    sides.push_back(side.get<int64_t>());
  }
  return sides;
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string first, ReadFirstBytes(path));
  if (const std::string text = DescribeText(first); !text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " ", text));
  }
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  if (size < 8) return Bad(path, "it has ", size, " bytes, too few for a header; is it truncated?");
  const uint64_t length = LittleEndian(first);
  if (length > kMaxHeaderBytes) {
    return Bad(path, "its header claims ", length, " bytes; at most ", kMaxHeaderBytes, " are allowed");
  }
  if (length > size - 8) {
    return Bad(path, "its header claims ", length, " bytes, but the file has only ", size,
               "; is it truncated?");
  }
  std::string header(length, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.seekg(8) || !in.read(header.data(), static_cast<std::streamsize>(length))) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  }
  if (const absl::Status depth = CheckJsonDepth(header); !depth.ok()) return Bad(path, depth.message());
  if (!Json::parse(header, nullptr, /*allow_exceptions=*/false).is_object()) {
    return Bad(path, "its header is not a JSON object");
  }
  return SafetensorsHeader{std::move(header), 8 + length, size};
}

absl::StatusOr<TensorShapes> ReadSafetensorsShapes(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader(path));
  const Json json = Json::parse(header.json, nullptr, /*allow_exceptions=*/false);
  TensorShapes shapes;
  uint64_t end = 0;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") continue;
    shapes[name] = ShapeOf(entry);
    end = std::max(end, EndOf(entry));
  }
  const uint64_t data = header.file_bytes - header.data_begin;
  if (end > data) {
    return Bad(path, "its tensors take ", end, " bytes, but it has only ", data,
               " behind its header; is it truncated?");
  }
  return shapes;
}

}  // namespace quantlab
