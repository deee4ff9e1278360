// The formats of transformers, without transformers: tensors, their values, config.json, and what is refused.
// tests/export/transformers_test.py loads them there.
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "export/exporter.h"
#include "export/tensor_values.h"
#include "export/transformers/compressed_scheme.h"
#include "export/transformers/dense_weights.h"
#include "export/transformers/safetensors_file.h"

namespace quantlab::model_export {
namespace {

using namespace std::string_literals;
using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kWidth = 4;
constexpr char kQuery[] = "bert.encoder.layer.0.attention.self.query";

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

WrittenTensor Tensor(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
                     const std::string& bytes) {
  return {name, dtype, shape, [bytes]() -> absl::StatusOr<std::string> { return bytes; }};
}

WrittenTensor Floats(const std::string& name, const std::vector<int64_t>& shape, float value) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return Tensor(name, "F32", shape, FloatBytes(std::vector<float>(static_cast<size_t>(count), value)));
}

// A quantized layer of kWidth x kWidth: its entry in plan.json and its tensors.
struct Quantized {
  std::string kind;
  Json options;
  std::vector<WrittenTensor> tensors;  // named by role; without bias
};

// A BERT of one block whose linear layers but those of `plain` are `quantized`; of FP32 where that is null.
class SavedModel {
 public:
  explicit SavedModel(const Quantized* quantized = nullptr, std::vector<std::string> plain = {})
      : quantized_(quantized), plain_(std::move(plain)) {
    const std::string block = "bert.encoder.layer.0.", embeddings = "bert.embeddings.";
    for (const auto& [name, rows] : {std::pair{"word", 7}, {"position", 9}, {"token_type", 2}}) {
      tensors_.push_back(Floats(absl::StrCat(embeddings, name, "_embeddings.weight"), {rows, kWidth}, 0.5f));
    }
    for (const std::string& norm : {embeddings, block + "attention.output.", block + "output."}) {
      tensors_.push_back(Floats(norm + "LayerNorm.weight", {kWidth}, 1));
      tensors_.push_back(Floats(norm + "LayerNorm.bias", {kWidth}, 0));
    }
    for (const char* name : {"attention.self.query", "attention.self.key", "attention.self.value",
                             "attention.output.dense", "intermediate.dense", "output.dense"}) {
      AddLinear(block + name);
    }
    AddLinear("bert.pooler.dense");
    AddLinear("classifier");
  }

  void WriteTo(const TempFolder& folder) const {
    const Json config = {
        {"model_type", "bert"},     {"vocab_size", 7},
        {"hidden_size", kWidth},    {"num_hidden_layers", 1},
        {"num_attention_heads", 2}, {"intermediate_size", kWidth},
        {"type_vocab_size", 2},     {"max_position_embeddings", 9},
        {"torch_dtype", "float16"}, {"id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}, {"3", "d"}}}};
    folder.Write("config.json", config.dump());
    ASSERT_TRUE(WriteSafetensors(tensors_, folder / "model.safetensors").ok());
    if (quantized_ == nullptr) return;
    const Json plan = {{"version", 2},
                       {"model_family", "bert"},
                       {"activation_dtype", "fp32"},
                       {"method", {{"name", "some"}, {"version", 1}, {"params", Json::object()}}},
                       {"embeddings", Json::array()},
                       {"layers", layers_}};
    folder.Write("plan.json", plan.dump());
  }

 private:
  void AddLinear(const std::string& name) {
    Json entry = {{"name", name}, {"kind", "fp32"}, {"in_features", kWidth}, {"out_features", kWidth}};
    const auto add = [&](WrittenTensor tensor) {
      entry["tensors"][tensor.name] = absl::StrCat(name, ".", tensor.name);
      tensor.name = absl::StrCat(name, ".", tensor.name);
      tensors_.push_back(std::move(tensor));
    };
    add(Floats("bias", {kWidth}, 0.25f));
    if (quantized_ == nullptr || std::find(plain_.begin(), plain_.end(), name) != plain_.end()) {
      add(Floats("weight", {kWidth, kWidth}, 1.5f));
    } else {
      entry["kind"] = quantized_->kind;
      entry.update(quantized_->options);
      for (const WrittenTensor& tensor : quantized_->tensors) add(tensor);
    }
    layers_.push_back(entry);
  }

  const Quantized* quantized_;
  std::vector<std::string> plain_;
  std::vector<WrittenTensor> tensors_;
  Json layers_ = Json::array();
};

struct Exported {
  StoredTensors tensors;
  Json config;
  std::map<std::string, std::string> bytes;

  std::vector<float> Floats(const std::string& name) const {
    const std::string& raw = bytes.at(name);
    std::vector<float> values(raw.size() / sizeof(float));
    std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }
};

absl::StatusOr<Exported> Export(const SavedModel& saved, const std::string& format) {
  TempFolder folder, out;
  saved.WriteTo(folder);
  const auto source = SourceModel::Open(folder.path());
  if (!source.ok()) return source.status();
  const Exporter* exporter = FindExporter(format);
  if (const absl::Status checked = exporter->Check(*source, {}); !checked.ok()) return checked;
  if (const absl::Status written = exporter->Write(*source, {}, out.path()); !written.ok()) return written;
  auto tensors = ReadFolderTensors(out.path());
  if (!tensors.ok()) return tensors.status();
  Exported exported{*tensors, Json::parse(*ReadFile(out / "config.json", 1 << 20)), {}};
  for (const auto& [name, tensor] : *tensors) exported.bytes[name] = *ReadTensorBytes(tensor);
  return exported;
}

const std::string kIntegers = "\x01\x02\x03\x04\xff\xfe\xfd\xfc\x7f\x80\x00\x05\x06\x07\x08\x09"s;

Quantized Dynamic(const std::string& granularity = "per_token") {
  return {"int8_dynamic",
          {{"granularity", granularity}, {"weight_granularity", "per_tensor"}, {"reduce_range", false}},
          {Tensor("weight_int8", "I8", {4, 4}, kIntegers), Floats("weight_scale", {1}, 0.5f)}};
}

Quantized Static() {
  const std::vector<float> factors = {1, 2, 4, 8};
  return {"int8_static",
          {{"weight_bits", 8}, {"weight_granularity", "per_channel"}},
          {Tensor("weight_int8", "I8", {4, 4}, kIntegers),
           Tensor("weight_scale", "F32", {4}, FloatBytes({1, 0.5f, 0.25f, 2})),
           Floats("input_scale", {1}, 0.1f), Tensor("input_zero_point", "I32", {1}, "\x80\0\0\0"s),
           Tensor("input_smoothing", "F32", {4}, FloatBytes(factors))}};
}

// Groups of 2 are not what quant-runner writes, but make an example of two groups.
Quantized Int4(bool symmetric) {
  std::string scales;
  for (int i = 0; i < 8; ++i) scales += "\x00\x3f"s;  // 0.5
  Quantized quantized{"int4_weight_only",
                      {{"group_size", 2}, {"symmetric", symmetric}},
                      {Tensor("weight_int4", "U8", {4, 2}, "\x21\x8f\x70\x9a\x43\x65\xcb\xed"s),
                       Tensor("weight_scale", "BF16", {4, 2}, scales)}};
  if (!symmetric)
    quantized.tensors.push_back(
        Tensor("weight_zero_point", "I8", {4, 2}, "\x01\xff\x00\x02\x03\x04\x05\x06"s));
  return quantized;
}

TEST(Numbers, Fp8HasItsBiasSubnormalsAndOneNan) {
  EXPECT_EQ(FromFp8(0x38), 1.0f);
  EXPECT_EQ(FromFp8(0x7e), 448.0f);
  EXPECT_EQ(FromFp8(0xb9), -1.125f);
  EXPECT_EQ(FromFp8(0x01), 1.0f / 512);
  EXPECT_EQ(FromFp8(0x08), 1.0f / 64);
  EXPECT_TRUE(std::isnan(FromFp8(0x7f)));
}

TEST(Numbers, Bfloat16RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(ToBfloat16(1.0f), 0x3f80);
  EXPECT_EQ(ToBfloat16(1.00390625f), 0x3f80);  // half a step above 1
  EXPECT_EQ(ToBfloat16(1.01171875f), 0x3f82);  // half a step above an odd one
  EXPECT_EQ(ToBfloat16(-3.3895314e38f), 0xff7f);
  EXPECT_EQ(ToBfloat16(std::nanf("")) & 0x7fff, 0x7fc0);
}

TEST(Numbers, PackedWordsBeginAtTheLowestBitsAndEachRowAnew) {
  const std::string five = "\xf8\x07\x00\x01\xff"s;  // -8 7 0 1 -1
  EXPECT_EQ(PackIntoWords(five, 1, 5, 4), "\xf0\x98\x07\x00"s);
  EXPECT_EQ(PackIntoWords(five.substr(0, 2), 2, 1, 4), "\x00\0\0\0\x0f\0\0\0"s);
  EXPECT_EQ(PackIntoWords("\x80\x7f\x00"s, 1, 3, 8), "\x00\xff\x80\x00"s);
}

TEST(Safetensors, ATensorOfAnotherSizeThanItsShapeIsAnError) {
  TempFolder folder;
  const absl::Status status = WriteSafetensors({Tensor("x", "F32", {2}, "1234")}, folder / "x.safetensors");
  EXPECT_THAT(Message(status), HasSubstr("the tensor x has 4 bytes and not 8"));
}

TEST(Dense, AnFp32ModelKeepsItsValuesAndNames) {
  const auto exported = Export(SavedModel(), "transformers");
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(exported->tensors.size(), 3u + 6u + 16u);
  EXPECT_EQ(exported->Floats(absl::StrCat(kQuery, ".weight")), std::vector<float>(16, 1.5f));
  EXPECT_EQ(exported->config["dtype"], "float32");
  EXPECT_EQ(exported->config["torch_dtype"], "float32");
  EXPECT_EQ(exported->config["id2label"]["3"], "d");
  EXPECT_EQ(exported->config["architectures"][0], "BertForSequenceClassification");
}

TEST(Dense, Bfloat16HalvesEveryTensor) {
  const auto exported = Export(SavedModel(), "transformers-bf16");
  ASSERT_TRUE(exported.ok()) << exported.status();
  for (const auto& [name, tensor] : exported->tensors) EXPECT_EQ(tensor.dtype, "BF16") << name;
  EXPECT_EQ(exported->bytes.at("classifier.bias"), "\x80\x3e\x80\x3e\x80\x3e\x80\x3e"s);
  EXPECT_EQ(exported->config["dtype"], "bfloat16");
}

TEST(Dense, ScalesOfChannelsAndSmoothingFactorsAreMultipliedIn) {
  const Quantized quantized = Static();
  const auto exported = Export(SavedModel(&quantized), "transformers");
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_THAT(exported->Floats(absl::StrCat(kQuery, ".weight")),
              ElementsAre(1, 4, 12, 32, -0.5f, -2, -6, -16, 31.75f, -64, 0, 10, 12, 28, 64, 144));
}

TEST(Dense, GroupsHaveScalesAndZeroPoints) {
  const Quantized quantized = Int4(/*symmetric=*/false);
  const auto exported = Export(SavedModel(&quantized), "transformers");
  ASSERT_TRUE(exported.ok()) << exported.status();
  // (q - z) / 2 with q = 1 2 -1 -8 | 0 7 -6 -7 | 3 4 5 6 | -5 -4 -3 -2
  EXPECT_THAT(exported->Floats(absl::StrCat(kQuery, ".weight")),
              ElementsAre(0, 0.5f, 0, -3.5f, 0, 3.5f, -4, -4.5f, 0, 0.5f, 0.5f, 1, -5, -4.5f, -4.5f, -4));
}

TEST(Dense, UnknownKindsAreRefusedByName) {
  Quantized quantized = Dynamic();
  quantized.kind = "int3_odd";
  EXPECT_THAT(Message(Export(SavedModel(&quantized), "transformers").status()), HasSubstr("int3_odd"));
}

TEST(Compressed, DynamicLayersKeepTheirIntegersAndTheHeadIsMultipliedOut) {
  const Quantized quantized = Dynamic();
  const auto exported =
      Export(SavedModel(&quantized, {"bert.encoder.layer.0.output.dense"}), "compressed-tensors");
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(exported->bytes.at(absl::StrCat(kQuery, ".weight")), kIntegers);
  EXPECT_EQ(exported->tensors.at(absl::StrCat(kQuery, ".weight_scale")).shape, (std::vector<int64_t>{4, 1}));
  EXPECT_EQ(exported->tensors.at("classifier.weight").dtype, "F32");
  const Json& config = exported->config["quantization_config"];
  EXPECT_EQ(config["format"], "int-quantized");
  EXPECT_EQ(config["ignore"], (Json{"bert.encoder.layer.0.output.dense", "bert.pooler.dense", "classifier"}));
  EXPECT_EQ(config["config_groups"]["group_0"]["input_activations"]["strategy"], "token");
}

TEST(Compressed, SymmetricGroupsArePackedIntoWords) {
  const Quantized quantized = Int4(/*symmetric=*/true);
  const auto exported = Export(SavedModel(&quantized), "compressed-tensors");
  ASSERT_TRUE(exported.ok()) << exported.status();
  const std::string name = absl::StrCat(kQuery, ".weight_packed");
  EXPECT_EQ(exported->tensors.at(name).dtype, "I32");
  EXPECT_EQ(exported->bytes.at(name).substr(0, 4), "\xa9\x07\x00\x00"s);
  EXPECT_EQ(exported->bytes.at(absl::StrCat(kQuery, ".weight_shape")),
            "\x04\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0"s);
  EXPECT_TRUE(
      exported->config["quantization_config"]["config_groups"]["group_0"]["input_activations"].is_null());
}

TEST(Compressed, WhatItCannotExpressIsRefusedWithTheLayerAndOtherFormats) {
  const Quantized whole = Dynamic("per_tensor"), calibrated = Static(), zeros = Int4(/*symmetric=*/false);
  for (const auto& [quantized, what] :
       {std::pair{&whole, "one activation scale"}, {&calibrated, "int8_static"}, {&zeros, "zero points"}}) {
    const std::string message = Message(Export(SavedModel(quantized), "compressed-tensors").status());
    EXPECT_THAT(message, HasSubstr(what));
    EXPECT_THAT(message, HasSubstr(kQuery));
    EXPECT_THAT(message, HasSubstr("--to transformers"));
  }
  EXPECT_THAT(Message(Export(SavedModel(), "compressed-tensors").status()), HasSubstr("no layer"));
}

}  // namespace
}  // namespace quantlab::model_export
