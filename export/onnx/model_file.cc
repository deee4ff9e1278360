#include "export/onnx/model_file.h"

#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/output_files.h"

namespace quantlab::model_export {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr int64_t kIrVersion = 10;  // the first with 4-bit integers
constexpr int64_t kOpset = 21;
// Runtimes map external weights into memory, which needs pages; small ones are read at once.
constexpr uint64_t kPage = 4096, kLeastExternalBytes = 1024;
// Numbers of fields in onnx.proto.
constexpr uint32_t kModelGraph = 7, kGraphInitializer = 5, kTensorRawData = 9;

constexpr uint32_t LengthDelimited(uint32_t field) {
  return field << 3 | 2;
}

uint64_t SizeWithLength(uint64_t bytes) {
  return CodedOutputStream::VarintSize64(bytes) + bytes;
}

// Where a weight's bytes are.
struct Placed {
  onnx::TensorProto proto;  // without raw_data
  const Initializer* source;
  bool external = false;

  uint64_t inline_bytes() const { return external ? 0 : 1 + SizeWithLength(source->bytes); }
  uint64_t size() const { return proto.ByteSizeLong() + inline_bytes(); }
};

void SetExternal(Placed& placed, uint64_t offset) {
  placed.external = true;
  placed.proto.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto add = [&placed](const char* key, const std::string& value) {
    auto& entry = *placed.proto.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  add("location", kOnnxDataFile);
  add("offset", absl::StrCat(offset));
  add("length", absl::StrCat(placed.source->bytes));
}

std::vector<Placed> Place(const Graph& graph, uint64_t max_bytes) {
  std::vector<Placed> placed;
  uint64_t total = graph.proto().ByteSizeLong();
  for (const Initializer& weight : graph.initializers()) {
    Placed one;
    one.source = &weight;
    one.proto.set_name(weight.name);
    one.proto.set_data_type(weight.type);
    for (const int64_t dim : weight.dims) one.proto.add_dims(dim);
    total += weight.bytes;
    placed.push_back(std::move(one));
  }
  if (total <= max_bytes) return placed;
  uint64_t offset = 0;
  for (Placed& one : placed) {
    if (one.source->bytes < kLeastExternalBytes) continue;
    SetExternal(one, offset);
    offset = (offset + one.source->bytes + kPage - 1) / kPage * kPage;
  }
  return placed;
}

absl::StatusOr<std::string> BytesOf(const Initializer& weight) {
  QL_ASSIGN_OR_RETURN(std::string bytes, weight.make());
  if (bytes.size() == weight.bytes) return bytes;
  return absl::InternalError(absl::StrCat("the weight ", weight.name, " has ", bytes.size(),
                                          " bytes and was declared with ", weight.bytes));
}

onnx::ModelProto Header(const OnnxFileOptions& options) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("quantlab");
  model.add_opset_import()->set_version(kOpset);
  for (const auto& [key, value] : options.metadata) {
    auto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model;
}

// The graph's fields in place of a message of their own: header, nodes, then each weight when its turn comes.
absl::Status WriteMessage(const Graph& graph, const std::vector<Placed>& weights,
                          const OnnxFileOptions& options, CodedOutputStream& out) {
  Header(options).SerializeToCodedStream(&out);
  uint64_t size = graph.proto().ByteSizeLong();
  for (const Placed& weight : weights) size += 1 + SizeWithLength(weight.size());
  out.WriteTag(LengthDelimited(kModelGraph));
  out.WriteVarint64(size);
  graph.proto().SerializeToCodedStream(&out);
  for (const Placed& weight : weights) {
    out.WriteTag(LengthDelimited(kGraphInitializer));
    out.WriteVarint64(weight.size());
    weight.proto.SerializeToCodedStream(&out);
    if (weight.external) continue;
    QL_ASSIGN_OR_RETURN(const std::string bytes, BytesOf(*weight.source));
    out.WriteTag(LengthDelimited(kTensorRawData));
    out.WriteVarint64(bytes.size());
    out.WriteRaw(bytes.data(), static_cast<int>(bytes.size()));
    if (out.HadError()) return absl::OkStatus();  // the caller finds why
  }
  return absl::OkStatus();
}

absl::Status WriteData(const std::vector<Placed>& weights, const std::string& path) {
  std::ofstream out;
  for (const Placed& weight : weights) {
    if (!weight.external) continue;
    if (!out.is_open()) QL_RETURN_IF_ERROR(OpenOutput(path, out));
    QL_ASSIGN_OR_RETURN(const std::string bytes, BytesOf(*weight.source));
    const uint64_t position = static_cast<uint64_t>(out.tellp());
    out << std::string((kPage - position % kPage) % kPage, '\0') << bytes;
    if (!out) break;
  }
  return out.is_open() ? CloseOutput(out, path) : absl::OkStatus();
}

}  // namespace

absl::Status WriteOnnxModel(const Graph& graph, const OnnxFileOptions& options, const std::string& folder) {
  const std::vector<Placed> weights = Place(graph, options.max_bytes);
  const std::filesystem::path root = folder;
  const std::string path = (root / kOnnxFile).string();
  QL_RETURN_IF_ERROR(WriteData(weights, (root / kOnnxDataFile).string()));
  std::ofstream out;
  QL_RETURN_IF_ERROR(OpenOutput(path, out));
  {
    google::protobuf::io::OstreamOutputStream stream(&out);
    CodedOutputStream coded(&stream);
    QL_RETURN_IF_ERROR(WriteMessage(graph, weights, options, coded));
  }
  return CloseOutput(out, path);
}

}  // namespace quantlab::model_export
