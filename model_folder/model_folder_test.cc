#include "model_folder/model_folder.h"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "model_folder/first_bytes.h"
#include "model_folder/pickled_state.h"
#include "model_folder/safetensors_header.h"
#include "model_folder/weight_files.h"

namespace quantlab {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A safetensors file with these tensors, each of 4 bytes.
std::string Safetensors(const std::vector<std::string>& names) {
  std::string header = "{", data;
  for (const std::string& name : names) {
    header += (header.size() > 1 ? ",\"" : "\"") + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" +
              std::to_string(data.size()) + "," + std::to_string(data.size() + 4) + "]}";
    data += "\0\0\x80\x3f"s;
  }
  header += "}";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size() % 256);
  length[1] = static_cast<char>(header.size() / 256);
  return length + header + data;
}

using Files = std::vector<std::pair<std::string, std::string>>;

Files With(Files files, const Files& more) {
  for (const auto& [name, content] : more) {
    bool replaced = false;
    for (auto& file : files) {
      if (file.first == name) file.second = content, replaced = true;
    }
    if (!replaced) files.push_back({name, content});
  }
  return files;
}

const Files kModel = {
    {"config.json", "{}"}, {"model.safetensors", Safetensors({"a"})}, {"tokenizer.json", "{}"}};
const Files kShards = {{"config.json", "{}"},
                       {"vocab.txt", "x"},
                       {"model-1.safetensors", Safetensors({"a"})},
                       {"model-2.safetensors", Safetensors({"b"})},
                       {"model.safetensors.index.json",
                        R"({"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})"}};

std::string Check(const Files& files) {
  const TempFolder folder(files);
  return std::string(CheckModelFolder(folder.path()).message());
}

TEST(ModelFolder, ItsFormsAreAccepted) {
  EXPECT_EQ(Check(kModel), "");
  EXPECT_EQ(Check(kShards), "");
  EXPECT_EQ(Check(With(kModel, {{"config.json", R"({"x": NaN, "y": "\ud83d"})"}})), "");
  EXPECT_EQ(
      Check({{"config.json", "{}"}, {"vocab.txt", "x"}, {"pytorch_model.bin", "PK\x03\x04 PK\x05\x06"}}), "");
}

TEST(ModelFolder, WhatIsWrongIsNamed) {
  const std::pair<Files, std::string> cases[] = {
      {{}, "lacks config.json, model.safetensors, tokenizer.json or vocab.txt; a model is a folder"},
      {{{"config.json", "{}"}, {"vocab.txt", "x"}, {"adapter_model.safetensors", "x"}},
       "lacks model.safetensors (adapter_model.safetensors is not read: save the whole model"},
      {With(kModel, {{"config.json", "<!DOCTYPE html>\n<html>"}}), "config.json is an HTML page"},
      {With(kModel, {{"config.json", "[]"}}), "config.json: is not a JSON object; it is another kind"},
      {With(kModel, {{"config.json", "{\"a\": 1,\n}"}}),
       "config.json: is not a JSON object: parse error at line 2, column 1"},
      {With(kModel, {{"tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid"}}),
       "tokenizer.json is a Git LFS pointer"},
      {{{"vocab.txt", "<html>"}, {"config.json", "{}"}, {"model.safetensors", Safetensors({"a"})}},
       "vocab.txt is an HTML page"},
      {{{"snapshots/abc/config.json", "{}"}},
       "/snapshots/abc has a config.json: if that is the model, name that folder"},
      {With(kModel, {{"model.safetensors", "version https://git-lfs.github.com/spec/v1\noid"}}),
       "model.safetensors is a Git LFS pointer, not the file itself; run \"git lfs pull\""},
      {With(kModel, {{"model.safetensors", " <html><body>"}}), "model.safetensors is an HTML page"},
      {With(kModel, {{"model.safetensors", "Not Found: 404"}}), "begins with \"Not Found: 404\""},
      {With(kModel, {{"model.safetensors", "\x10\0\0\0\0\0\0\0{"s}}), "is it truncated?"},
      {With(kModel, {{"model.safetensors", "\xff\xff\xff\xff\xff\0\0\0{"s}}), "its header claims"},
      {With(kModel, {{"model.safetensors", Safetensors({"a", "b"}).substr(0, 120)}}), "is it truncated?"},
      {With(kModel, {{"model.safetensors", ""}}), "it has 0 bytes"},
      {With(kShards, {{"model.safetensors.index.json", R"({"weight_map":{"a":"model-3.safetensors"}})"}}),
       "of its 1 shards, 1 are not in the folder: model-3.safetensors"},
      {With(kShards, {{"model.safetensors.index.json", R"({"weight_map":{"a":"../model-1.safetensors"}})"}}),
       "is not the name of a .safetensors file beside it"},
      {With(kShards, {{"model.safetensors.index.json", R"({"weight_map":{"b":"model-1.safetensors"}})"}}),
       "model-1.safetensors: tensor b is not in it"},
      {With(kShards, {{"model.safetensors.index.json", "{}"}}), "has no weight_map"},
      {With(kShards, {{"model-1.safetensors", Safetensors({"a", "c"})}}),
       "model-1.safetensors: holds tensor c, which model.safetensors.index.json does not name"},
      {{{"config.json", "{}"}, {"vocab.txt", "x"}, {"pytorch_model.bin", "PK\x03\x04 data"}},
       "without its end; is it truncated?"},
      {{{"config.json", "{}"}, {"vocab.txt", "x"}, {"pytorch_model.bin", "\x80\x02}q\x00."s}},
       "is not a file that PyTorch 1.6 or later wrote"},
  };
  for (const auto& [files, message] : cases) EXPECT_THAT(Check(files), HasSubstr(message));
}

TEST(ModelFolder, ItsFilesAreSelectedByName) {
  EXPECT_THAT(
      ModelFiles({"README.md", "config.json", "model.safetensors", "pytorch_model.bin", "sub/a.json"}),
      ElementsAre("config.json", "model.safetensors", "sub/a.json"));
  EXPECT_THAT(ModelFiles({"config.json", "pytorch_model.bin", "sub/pytorch_model.bin", "x.bin"}),
              ElementsAre("config.json", "pytorch_model.bin"));
}

// What Python's pickle (protocol 2) makes of OrderedDict(w=<tensor of shape (2, 3)>) with _metadata.
std::string StateDict(const std::string& item) {
  return "\x80\x02"
         "ccollections\nOrderedDict\nq\x00)Rq\x01"s +
         item +
         "}q\x08X\x09\x00\x00\x00_metadataq\x09h\x00)Rq\x0aX\x00\x00\x00\x00q\x0b}q\x0cX\x07\x00\x00\x00versionq\x0d"
         "K\x01ss"
         "sb."s;
}
const std::string kItem =
    "X\x01\x00\x00\x00wq\x02"
    "ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04"
    "ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x00"
    "0q\x06X\x03\x00\x00\x00"
    "cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89h\x00)Rtq\x07Rs"s;

TEST(PickledState, AStateDictIsRead) {
  const auto tensors = ParsePickledState(StateDict(kItem));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 1u);
  EXPECT_EQ((*tensors)[0].name, "w");
  EXPECT_EQ((*tensors)[0].storage_type, "FloatStorage");
  EXPECT_EQ((*tensors)[0].storage_key, "0");
  EXPECT_THAT((*tensors)[0].shape, ElementsAre(2, 3));
  EXPECT_THAT((*tensors)[0].strides, ElementsAre(3, 1));
}

TEST(PickledState, NothingElseIsRunOrRead) {
  const auto why = [](const std::string& pickle) {
    return std::string(ParsePickledState(pickle).status().message());
  };
  EXPECT_THAT(why("\x80\x02"
                  "cos\nsystem\nX\x02\x00\x00\x00id\x85R."s),
              HasSubstr("calls os.system"));
  EXPECT_THAT(why(StateDict("X\x05\x00\x00\x00"
                            "epochK\x03s"s)),
              HasSubstr("epoch is something else"));
  EXPECT_THAT(why("\x80\x02K\x01."s), HasSubstr("is not a dict of tensors"));
  EXPECT_THAT(why("\x80\x02}"s), HasSubstr("ends too early"));
  EXPECT_THAT(why("\x80\x02}cx\ny\n\x81."s), HasSubstr("opcode 0x81"));
  EXPECT_THAT(why("\x80\x02)" + std::string(100, '\x85') + "."), HasSubstr("too deep"));
  EXPECT_THAT(why(StateDict(kItem + kItem)), HasSubstr("has tensor w twice"));
}

TEST(PickledState, NoBytesCrashIt) {
  std::mt19937_64 random(3);
  const std::string whole = StateDict(kItem);
  for (int i = 0; i < 20000; ++i) {
    std::string pickle = whole;
    for (size_t n = 1 + random() % 4; n > 0; --n) {
      pickle[random() % pickle.size()] =
          random() % 2 == 0 ? whole[random() % whole.size()] : static_cast<char>(random());
    }
    if (random() % 4 == 0) pickle.resize(random() % pickle.size());
    (void)ParsePickledState(pickle);
  }
}

}  // namespace
}  // namespace quantlab
