#include "model_folder/stored_tensors.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string File(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size() % 256);
  length[1] = static_cast<char>(header.size() / 256);
  return length + header + data;
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(StoredTensors, BytesOfATensorAreThoseOfItsExtent) {
  TempFolder folder;
  folder.Write("m.safetensors", File(R"({"__metadata__":{"a":"b"},)"
                                     R"("x":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},)"
                                     R"("y":{"dtype":"BF16","shape":[],"data_offsets":[4,6]}})",
                                     "abcdef"));
  const auto tensors = ReadStoredTensors(folder / "m.safetensors");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_THAT(tensors->at("x").shape, ElementsAre(2, 2));
  EXPECT_EQ(tensors->at("x").elements(), 4);
  EXPECT_EQ(*ReadTensorBytes(tensors->at("x")), "abcd");
  EXPECT_EQ(tensors->at("y").elements(), 1);
  EXPECT_EQ(*ReadTensorBytes(tensors->at("y")), "ef");
}

TEST(StoredTensors, MalformedEntriesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"x":{"dtype":"I7","shape":[1],"data_offsets":[0,1]}})", "dtype I7"},
      {R"({"x":{"dtype":"I8","shape":[1]}})", "data_offsets"},
      {R"({"x":{"dtype":"I8","shape":[3],"data_offsets":[0,2]}})", "takes 3 bytes, but data_offsets span 2"},
      {R"({"x":{"dtype":"I8","shape":[9],"data_offsets":[0,9]}})", "truncated"},
      {R"({"x":{"dtype":"I8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,2]}})",
       "too large"},
      {R"({"x":{"dtype":"I8","shape":[-1],"data_offsets":[0,1]}})", "shape"},
  };
  TempFolder folder;
  for (const auto& [header, message] : cases) {
    folder.Write("m.safetensors", File(header, "ab"));
    const auto tensors = ReadStoredTensors(folder / "m.safetensors");
    EXPECT_THAT(Message(tensors.status()), HasSubstr(message)) << header;
    EXPECT_THAT(Message(tensors.status()), HasSubstr("m.safetensors")) << header;
  }
}

TEST(StoredTensors, AFolderOfPicklesIsRefused) {
  TempFolder folder;
  folder.Write("pytorch_model.bin", "PK");
  EXPECT_THAT(Message(ReadFolderTensors(folder.path()).status()), HasSubstr("safetensors format"));
}

TEST(StoredTensors, AFileThatBecameShorterIsNoticed) {
  TempFolder folder;
  folder.Write("model.safetensors", File(R"({"x":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}})", "ab"));
  const auto tensors = ReadFolderTensors(folder.path());
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  folder.Write("model.safetensors", "short");
  EXPECT_THAT(Message(ReadTensorBytes(tensors->at("x")).status()), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace quantlab
