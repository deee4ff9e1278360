// The exporters' parts that need no runtime: what is read, what is refused, how graphs and files are made.
#include <cstring>
#include <filesystem>
#include <map>
#include <onnx/onnx_pb.h>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "export/check/checker.h"
#include "export/exporter.h"
#include "export/onnx/encoder_graph.h"
#include "export/onnx/model_file.h"
#include "export/package.h"
#include "export/tensor_values.h"
#include "platform/file_lock.h"

namespace quantlab::model_export {
namespace {

using namespace std::string_literals;
using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kHidden = 4, kWide = 6, kWords = 7, kPositions = 9;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// A safetensors file while it is made. Values count up from 1, so that positions can be recognized.
class Tensors {
 public:
  void Add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
           const std::string& bytes) {
    header_[name] = {
        {"dtype", dtype}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
    data_ += bytes;
  }
  void AddFloats(const std::string& name, const std::vector<int64_t>& shape) {
    std::vector<float> values(Count(shape));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
    Add(name, "F32", shape, FloatBytes(values));
  }
  void AddBytes(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape) {
    std::string values(Count(shape), '\0');
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<char>(i + 1);
    Add(name, dtype, shape, values);
  }
  std::string File() const {
    const std::string header = header_.dump();
    std::string length(8, '\0');
    for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
    return length + header + data_;
  }

 private:
  static size_t Count(const std::vector<int64_t>& shape) {
    size_t count = 1;
    for (const int64_t size : shape) count *= static_cast<size_t>(size);
    return count;
  }

  Json header_ = Json::object();
  std::string data_;
};

// A BERT of one block whose query layer is of `kind`.
class SavedModel {
 public:
  explicit SavedModel(const std::string& kind = "", Json options = Json::object()) {
    const std::string block = "bert.encoder.layer.0.";
    AddNorm("bert.embeddings.LayerNorm");
    tensors_.AddFloats("bert.embeddings.word_embeddings.weight", {kWords, kHidden});
    tensors_.AddFloats("bert.embeddings.position_embeddings.weight", {kPositions, kHidden});
    tensors_.AddFloats("bert.embeddings.token_type_embeddings.weight", {2, kHidden});
    AddLinear(block + "attention.self.query", kHidden, kHidden, kind, options);
    AddLinear(block + "attention.self.key", kHidden, kHidden, kind, options);
    for (const char* name : {"attention.self.value", "attention.output.dense"}) {
      AddLinear(block + name, kHidden, kHidden);
    }
    AddLinear(block + "intermediate.dense", kHidden, kWide);
    AddLinear(block + "output.dense", kWide, kHidden);
    AddLinear("bert.pooler.dense", kHidden, kHidden);
    AddLinear("classifier", kHidden, 2);
    AddNorm(block + "attention.output.LayerNorm");
    AddNorm(block + "output.LayerNorm");
    if (!kind.empty()) plan_["layers"] = layers_;
  }

  // Overwrites the plan's entry `key`.
  void SetPlan(const std::string& key, Json value) { plan_[key] = std::move(value); }
  void RemoveTensorOf(const std::string& role) {
    layers_[0]["tensors"].erase(role), plan_["layers"] = layers_;
  }

  void WriteTo(const TempFolder& folder) const {
    const Json config = {{"model_type", "bert"},
                         {"vocab_size", kWords},
                         {"hidden_size", kHidden},
                         {"num_hidden_layers", 1},
                         {"num_attention_heads", 2},
                         {"intermediate_size", kWide},
                         {"type_vocab_size", 2},
                         {"max_position_embeddings", kPositions},
                         {"id2label", {{"0", "no"}, {"1", "yes"}}}};
    folder.Write("config.json", config.dump());
    folder.Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    folder.Write("model.safetensors", tensors_.File());
    if (plan_.contains("layers")) folder.Write("plan.json", plan_.dump());
  }

 private:
  void AddNorm(const std::string& name) {
    tensors_.AddFloats(name + ".weight", {kHidden});
    tensors_.AddFloats(name + ".bias", {kHidden});
  }

  void AddLinear(const std::string& name, int64_t in, int64_t out, const std::string& kind = "fp32",
                 const Json& options = Json::object()) {
    Json entry = options;
    entry["name"] = name;
    entry["kind"] = kind;
    entry["in_features"] = in;
    entry["out_features"] = out;
    Json& names = entry["tensors"] = Json::object();
    const auto add = [&](const char* role) { return names[role] = absl::StrCat(name, ".", role); };
    tensors_.AddFloats(add("bias"), {out});
    if (kind == "int4_weight_only") {
      tensors_.AddBytes(add("weight_int4"), "U8", {out, in / 2});
      tensors_.Add(add("weight_scale"), "BF16", {out, 1}, std::string(static_cast<size_t>(2 * out), '\x3f'));
    } else if (kind == "fp8") {
      tensors_.AddBytes(add("weight_fp8"), "F8_E4M3", {out, in});
      tensors_.AddFloats(add("weight_scale"), {out});
    } else if (kind == "int8_static" || kind == "int8_dynamic" || kind == "int8_weight_only") {
      tensors_.AddBytes(add("weight_int8"), "I8", {out, in});
      tensors_.AddFloats(add("weight_scale"), {out});
    } else if (kind == "bf16") {
      tensors_.Add(add("weight"), "BF16", {out, in}, std::string(static_cast<size_t>(2 * out * in), '\x3f'));
    } else {
      tensors_.AddFloats(add("weight"), {out, in});
    }
    if (kind == "int8_static") {
      tensors_.AddFloats(add("input_scale"), {1});
      tensors_.Add(add("input_zero_point"), "I32", {1}, "\x80\0\0\0"s);
    }
    layers_.push_back(std::move(entry));
  }

  Tensors tensors_;
  Json layers_ = Json::array();
  Json plan_ = {{"version", 2},
                {"model_family", "bert"},
                {"activation_dtype", "fp32"},
                {"method", {{"name", "some"}, {"version", 1}, {"params", {{"bits", 8}}}}},
                {"embeddings", Json::array()}};
};

struct Exported {
  onnx::ModelProto model;
  std::map<std::string, onnx::TensorProto> weights;
  std::map<std::string, int> operators;

  const onnx::NodeProto* Producer(const std::string& value) const {
    for (const onnx::NodeProto& node : model.graph().node()) {
      for (const std::string& output : node.output()) {
        if (output == value) return &node;
      }
    }
    return nullptr;
  }
};

absl::StatusOr<Exported> Export(const SavedModel& saved, const std::string& format = "onnx",
                                const ExportOptions& options = {}) {
  TempFolder folder, out;
  saved.WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  if (!source.ok()) return source.status();
  const Exporter* exporter = FindExporter(format);
  if (const absl::Status checked = exporter->Check(*source, options); !checked.ok()) return checked;
  if (const absl::Status written = exporter->Write(*source, options, out.path()); !written.ok())
    return written;
  Exported exported;
  if (!exported.model.ParseFromString(*ReadFile(out / kOnnxFile, 1 << 20)))
    return absl::InternalError("no ONNX");
  for (const auto& weight : exported.model.graph().initializer()) exported.weights[weight.name()] = weight;
  for (const auto& node : exported.model.graph().node()) ++exported.operators[node.op_type()];
  return exported;
}

constexpr char kQuery[] = "bert.encoder.layer.0.attention.self.query";

TEST(TensorValues, TransposingTwiceGivesTheSame) {
  std::string matrix;
  for (int i = 0; i < 70 * 130 * 2; ++i) matrix += static_cast<char>(i * 7);
  const std::string once = TransposeBytes(matrix, 70, 130, 2);
  EXPECT_NE(once, matrix);
  EXPECT_EQ(once.substr(2, 2), matrix.substr(130 * 2, 2));
  EXPECT_EQ(TransposeBytes(once, 130, 70, 2), matrix);
}

TEST(TensorValues, RowsOfFourBitsOfOddLengthLoseTheirPadding) {
  const std::string packed = "\x21\x03\x8f\x0e"s;  // 1 2 3 | -1 -8 -2
  const std::string values = UnpackRowsOfInt4(packed, 2, 3);
  EXPECT_THAT(values, ElementsAre(1, 2, 3, -1, -8, -2));
  EXPECT_EQ(PackInt4(values), "\x21\xf3\xe8"s);
}

TEST(TensorValues, HalfPrecisionIsReadExactly) {
  TempFolder folder;
  const std::string halves = "\x00\x3c\x01\x00\x00\xc0\xff\x7b\x00\x80"s;
  folder.Write("x", halves);
  const auto read = ReadFloats({"F16", {5}, folder / "x", 0, halves.size()});
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(*read, ElementsAre(1.0f, 5.9604645e-8f, -2.0f, 65504.0f, -0.0f));
}

TEST(SourceModel, TensorsThatAreMissingAreNamed) {
  SavedModel saved("int8_static");
  saved.RemoveTensorOf("input_scale");
  const auto exported = Export(saved);
  EXPECT_THAT(Message(exported.status()), HasSubstr(kQuery));
  EXPECT_THAT(Message(exported.status()), HasSubstr("input_scale"));
}

TEST(SourceModel, PlansOfOtherFamiliesAndVersionsAreRefused) {
  SavedModel family("int8_static"), version("int8_static"), kind("int3_odd");
  family.SetPlan("model_family", "electra");
  version.SetPlan("version", 3);
  EXPECT_THAT(Message(Export(family).status()), HasSubstr("model_family is \"electra\""));
  EXPECT_THAT(Message(Export(version).status()), HasSubstr("version must be an integer from 1 to 2"));
  EXPECT_THAT(Message(Export(kind).status()), HasSubstr("int3_odd"));
}

TEST(OnnxGraph, InputsAndOutputsHaveTheNamesOfTransformers) {
  const auto exported = Export(SavedModel());
  ASSERT_TRUE(exported.ok()) << exported.status();
  std::vector<std::string> inputs;
  for (const auto& input : exported->model.graph().input()) inputs.push_back(input.name());
  EXPECT_THAT(inputs, ElementsAre("input_ids", "attention_mask", "token_type_ids"));
  EXPECT_EQ(exported->model.graph().output(0).name(), "logits");
  EXPECT_GE(exported->model.opset_import(0).version(), 21);
}

TEST(OnnxGraph, EveryValueHasOneProducerBeforeItsUses) {
  for (const char* kind :
       {"", "int8_static", "int8_dynamic", "int8_weight_only", "int4_weight_only", "fp8", "bf16"}) {
    const auto exported = Export(SavedModel(kind, {{"granularity", "per_token"}, {"group_size", 32}}));
    ASSERT_TRUE(exported.ok()) << kind << ": " << exported.status();
    std::set<std::string> known;
    for (const auto& input : exported->model.graph().input()) known.insert(input.name());
    for (const auto& weight : exported->model.graph().initializer()) {
      EXPECT_TRUE(known.insert(weight.name()).second) << weight.name();
    }
    for (const auto& node : exported->model.graph().node()) {
      for (const std::string& input : node.input())
        EXPECT_THAT(known, Contains(input)) << kind << " " << node.name();
      for (const std::string& output : node.output()) EXPECT_TRUE(known.insert(output).second) << output;
    }
    EXPECT_THAT(known, Contains(kQuery)) << "each layer's output has the layer's name";
  }
}

TEST(OnnxGraph, WeightsAreStoredInTheirIntegersTransposed) {
  const std::map<std::string, int32_t> types = {
      {"int8_static", onnx_type::kInt8},      {"int8_dynamic", onnx_type::kInt8},
      {"int8_weight_only", onnx_type::kInt8}, {"int4_weight_only", onnx_type::kInt4},
      {"fp8", onnx_type::kFloat8E4m3fn},      {"bf16", onnx_type::kBfloat16}};
  const std::map<std::string, std::string> roles = {
      {"int4_weight_only", "weight_int4"}, {"fp8", "weight_fp8"}, {"bf16", "weight"}};
  for (const auto& [kind, type] : types) {
    const auto exported = Export(SavedModel(kind, {{"granularity", "per_token"}, {"group_size", 32}}));
    ASSERT_TRUE(exported.ok()) << exported.status();
    const std::string role = roles.count(kind) > 0 ? roles.at(kind) : "weight_int8";
    const onnx::TensorProto& weight = exported->weights.at(absl::StrCat(kQuery, ".", role));
    EXPECT_EQ(weight.data_type(), type) << kind;
    if (role == "weight_int8") {
      EXPECT_EQ(weight.raw_data().substr(0, 4), "\x01\x05\x09\x0d"s) << "the first column of [out, in]";
    }
  }
}

TEST(OnnxGraph, StaticLayersQuantizeASharedInputOnce) {
  const auto exported = Export(SavedModel("int8_static"));
  ASSERT_TRUE(exported.ok()) << exported.status();
  // Of the only block, which is the last one, the query reads first tokens and the key all tokens.
  EXPECT_EQ(exported->operators.at("QuantizeLinear"), 2);
  EXPECT_EQ(exported->Producer(kQuery)->op_type(), "Gemm");
  EXPECT_EQ(exported->weights.at("constant/byte_128").raw_data(), "\x80");
}

TEST(OnnxGraph, ExactStaticLayersHaveIntegerProductsAndNoQuantizeLinear) {
  const auto exported = Export(SavedModel("int8_static"), "onnx", {.exact = true});
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(exported->operators.count("QuantizeLinear"), 0u);
  EXPECT_EQ(exported->operators.at("MatMulInteger"), 2);
  // 1 + 5 + 9 + 13 of the first output: rows of the stored [out, in] are 1 2 3 4, 5 6 7 8, …
  int32_t sums[4];
  std::memcpy(sums, exported->weights.at(absl::StrCat(kQuery, ".weight_sums")).raw_data().data(),
              sizeof sums);
  EXPECT_THAT(sums, ElementsAre(10, 26, 42, 58));
}

TEST(OnnxGraph, DynamicLayersFollowTheirGranularityAndTheRuntime) {
  const SavedModel per_token("int8_dynamic", {{"granularity", "per_token"}, {"reduce_range", false}});
  const SavedModel per_tensor("int8_dynamic", {{"granularity", "per_tensor"}, {"reduce_range", false}});
  const auto rows = Export(per_token), whole = Export(per_tensor), openvino = Export(per_token, "openvino");
  ASSERT_TRUE(rows.ok() && whole.ok() && openvino.ok());
  EXPECT_EQ(rows->operators.count("DynamicQuantizeLinear"), 0u);
  EXPECT_EQ(rows->operators.at("MatMulInteger"), 2);
  EXPECT_EQ(whole->operators.at("DynamicQuantizeLinear"), 2);
  EXPECT_EQ(openvino->operators.count("MatMulInteger"), 0u);
  EXPECT_EQ(openvino->weights.at(absl::StrCat(kQuery, ".weight_int8")).data_type(), onnx_type::kInt8);
}

TEST(OnnxFile, LargeWeightsGoIntoAFileOfTheirOwn) {
  TempFolder folder, inside, outside;
  SavedModel().WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  ASSERT_TRUE(source.ok());
  Graph graph("large");
  for (const char* name : {"a", "b"}) {
    graph.Weight({name, onnx_type::kInt8, {5000}, 5000, [name] { return std::string(5000, *name); }});
  }
  graph.Int64(7);
  ASSERT_TRUE(WriteOnnxModel(graph, {}, inside.path()).ok());
  EXPECT_FALSE(std::filesystem::exists(inside / kOnnxDataFile));
  ASSERT_TRUE(WriteOnnxModel(graph, {.metadata = {}, .max_bytes = 6000}, outside.path()).ok());
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*ReadFile(outside / kOnnxFile, 1 << 20)));
  const std::string data = *ReadFile(outside / kOnnxDataFile, 1 << 20);
  ASSERT_EQ(data.size(), 8192u + 5000u);
  const onnx::TensorProto& b = model.graph().initializer(1);
  EXPECT_EQ(b.data_location(), onnx::TensorProto::EXTERNAL);
  EXPECT_EQ(b.external_data(1).value(), "8192");
  EXPECT_EQ(data.substr(8192), std::string(5000, 'b'));
  EXPECT_EQ(model.graph().initializer(2).raw_data().size(), 8u) << "small constants stay in the graph";
}

TEST(OnnxFile, AWeightOfAnotherSizeThanDeclaredIsAnError) {
  TempFolder folder;
  Graph graph("wrong");
  graph.Weight({"a", onnx_type::kInt8, {5}, 5, [] { return "four"s; }});
  EXPECT_THAT(Message(WriteOnnxModel(graph, {}, folder.path())), HasSubstr("the weight a has 4 bytes"));
}

// ---- the folder ----

absl::StatusOr<std::optional<CheckResult>> NotChecked(const std::string&) {
  return std::optional<CheckResult>();
}

TEST(Package, IsCompleteAndSaysWhatItIs) {
  TempFolder folder, out;
  SavedModel("int8_static").WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  ASSERT_TRUE(source.ok());
  const ModelFacts facts = {.name = "quick-1/static",
                            .base_model = "minilm",
                            .base_license = "Apache-2.0",
                            .numbers = {{"accuracy (split test)", 0.8125, "1", 0.79, 0.83, 1600}}};
  const auto written =
      WritePackage(*source, *FindExporter("onnx"), {}, facts, NotChecked, out / "new/model/");
  ASSERT_TRUE(written.ok()) << written.status();
  for (const char* name :
       {"model.onnx", "config.json", "vocab.txt", "labels.json", "example.py", "README.md"}) {
    EXPECT_TRUE(std::filesystem::exists(out / absl::StrCat("new/model/", name))) << name;
  }
  const std::string card = *ReadFile(out / "new/model/README.md", 1 << 20);
  for (const char* part :
       {"quick-1/static", "Apache-2.0", "0.8125", "[0.79, 0.83]", "2 x `int8_static`", "not run"}) {
    EXPECT_THAT(card, HasSubstr(part));
  }
  EXPECT_EQ(Json::parse(*ReadFile(out / "new/model/labels.json", 1 << 20)), Json({"no", "yes"}));
  const Json manifest = Json::parse(*ReadFile(out / "new/model/export.json", 1 << 20));
  EXPECT_EQ(manifest["files"]["model.onnx"].get<std::string>().size(), 64u);
  const std::string example = *ReadFile(out / "new/model/example.py", 1 << 20);
  EXPECT_LE(std::count(example.begin(), example.end(), '\n'), 15);
}

TEST(Package, TheCardNamesEachPackageOfTheExampleOnce) {
  TempFolder folder, out;
  SavedModel().WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  for (const auto& [format, packages] :
       {std::pair{"onnx", "transformers onnxruntime numpy"}, {"transformers", "transformers torch numpy"}}) {
    const std::string path = out / format;
    ASSERT_TRUE(WritePackage(*source, *FindExporter(format), {}, {}, NotChecked, path).ok()) << format;
    EXPECT_THAT(*ReadFile(path + "/README.md", 1 << 20),
                HasSubstr(absl::StrCat("pip install ", packages, "\n")));
  }
}

TEST(Check, TextsThatCannotBeComparedAreRefusedBeforeARuntimeStarts) {
  TempFolder folder;
  SavedModel().WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  folder.Write("blank.txt", "\n  \n\t\n");
  folder.Write("latin1.txt", "a caf\xe9\n");
  CheckOptions options;
  options.python = "/nothing/python";
  for (const auto& [name, what] : {std::pair{"blank.txt", "no text"}, {"latin1.txt", "UTF-8"}}) {
    options.texts = folder / name;
    const absl::Status status =
        CheckExportedModel(*source, *FindExporter("onnx"), options, folder.path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(Message(status), HasSubstr(options.texts));
    EXPECT_THAT(Message(status), HasSubstr(what));
  }
}

TEST(Package, AModelThatDiffersLeavesNothingBehind) {
  TempFolder folder, out;
  SavedModel().WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  const auto differs = [](const std::string&) -> absl::StatusOr<std::optional<CheckResult>> {
    CheckResult result;
    result.runtime = "Runtime 1";
    result.difference = 2.5;
    result.layer = "some.layer";
    return std::optional<CheckResult>(result);
  };
  const auto written = WritePackage(*source, *FindExporter("onnx"), {}, {}, differs, out / "model");
  EXPECT_THAT(Message(written.status()), HasSubstr("some.layer"));
  EXPECT_THAT(Message(written.status()), HasSubstr("2.5"));
  EXPECT_TRUE(std::filesystem::is_empty(out.path()));
}

TEST(Package, AFolderWithFilesIsRefusedAndAnEmptyOneTaken) {
  TempFolder folder, out;
  SavedModel().WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  out.Write("taken/file", "mine");
  std::filesystem::create_directory(out / "empty");
  const auto write = [&](const std::string& target) {
    return WritePackage(*source, *FindExporter("onnx"), {}, {}, NotChecked, target).status();
  };
  EXPECT_EQ(write(out / "taken").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*ReadFile(out / "taken/file", 100), "mine");
  EXPECT_TRUE(write(out / "empty").ok());
}

TEST(Package, AnotherExportOfTheSameFolderIsLeftAloneAndAKilledOneIsNot) {
  TempFolder folder, out;
  SavedModel().WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  out.Write(".model.partial/model.onnx.data", "of a call that was killed");
  const auto write = [&] {
    return WritePackage(*source, *FindExporter("onnx"), {}, {}, NotChecked, out / "model").status();
  };
  {
    const auto other = FileLock::Try(out / ".model.lock");
    ASSERT_TRUE(other.ok() && *other != nullptr);
    EXPECT_EQ(write().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_TRUE(std::filesystem::exists(out / ".model.partial/model.onnx.data"));
  }
  EXPECT_TRUE(write().ok());
  EXPECT_FALSE(std::filesystem::exists(out / "model/model.onnx.data"));
  EXPECT_FALSE(std::filesystem::exists(out / ".model.lock"));
}

TEST(Exporters, AreFoundByName) {
  EXPECT_EQ(FindExporter("onnx")->name(), "onnx");
  EXPECT_EQ(FindExporter("onnx2"), nullptr);
  EXPECT_THAT(ExporterNames(), HasSubstr("openvino"));
}

}  // namespace
}  // namespace quantlab::model_export
