#include "worker/engine/tensors/safetensors.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/resource.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "worker/engine/models/model_testing.h"

namespace quantlab::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string Length(uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[static_cast<size_t>(i)] = static_cast<char>(value >> (8 * i));
  return bytes;
}

// The message of the error that a file with this header and `data` bytes of data gives.
std::string ErrorOf(const std::string& header, size_t data) {
  TempFolder folder;
  WriteBytes(folder / "f", Length(header.size()) + header + std::string(data, '\1'));
  const auto file = SafetensorsFile::Open(folder / "f");
  return file.ok() ? "no error" : std::string(file.status().message());
}

TEST(SafetensorsTest, ReadsWhatItWroteInEveryDtype) {
  TempFolder folder;
  TensorMap tensors;
  for (const at::ScalarType type : {at::kDouble, at::kLong, at::kFloat, at::kInt, at::kHalf, at::kBFloat16,
                                    at::kShort, at::kChar, at::kByte, at::kBool, at::kFloat8_e4m3fn}) {
    tensors[at::toString(type)] = at::arange(0, 15, at::dtype(at::kInt)).view({3, 5}).to(type);
  }
  tensors["transposed"] = tensors["Float"].t();
  tensors["scalar"] = tensors["Float"][1][2];
  tensors["empty"] = at::zeros({0, 4});
  ASSERT_TRUE(WriteSafetensors(folder / "f", tensors, {{"format", "pt"}}).ok());
  TensorMap read;
  {
    const auto file = SafetensorsFile::Open(folder / "f");
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->metadata().at("format"), "pt");
    read = *file->GetAll();
  }  // the tensors keep the mapping
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(read[name].scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read[name], tensor)) << name;
  }
}

TEST(SafetensorsTest, EqualContentGivesEqualBytesOnAlignedData) {
  TempFolder folder;
  const TensorMap tensors = {{"b", at::zeros({3}, at::dtype(at::kChar))}, {"a", at::zeros({5})}};
  ASSERT_TRUE(WriteSafetensors(folder / "1", tensors).ok());
  ASSERT_TRUE(WriteSafetensors(folder / "2", tensors).ok());
  EXPECT_EQ(ReadBytes(folder / "1"), ReadBytes(folder / "2"));
  const auto file = SafetensorsFile::Open(folder / "1");
  EXPECT_EQ(file->entries().at("a").begin % 64, 0u);
}

TEST(SafetensorsTest, WritingIntoATensorLeavesTheFileAlone) {
  TempFolder folder;
  ASSERT_TRUE(WriteSafetensors(folder / "f", {{"a", at::zeros({4})}}).ok());
  const auto file = SafetensorsFile::Open(folder / "f");
  file->Get("a")->fill_(7);
  EXPECT_EQ(SafetensorsFile::Open(folder / "f")->Get("a")->sum().item<float>(), 0);
}

TEST(SafetensorsTest, ReadsTensorsThatTheFileDoesNotAlign) {
  TempFolder folder;
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )";
  WriteBytes(folder / "f", Length(header.size()) + header + std::string("\0\0\x80\x3f", 4));
  EXPECT_EQ(SafetensorsFile::Open(folder / "f")->Get("a")->item<float>(), 1);
}

TEST(SafetensorsTest, MissingFileAndMissingTensorAreNamed) {
  TempFolder folder;
  const auto none = SafetensorsFile::Open(folder / "nothing.safetensors");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("nothing.safetensors"));
  EXPECT_FALSE(SafetensorsFile::Open(folder.path()).ok());
  ASSERT_TRUE(WriteSafetensors(folder / "f", {}).ok());
  EXPECT_THAT(std::string(SafetensorsFile::Open(folder / "f")->Get("w").status().message()), HasSubstr("w"));
}

TEST(SafetensorsTest, EveryTruncationIsAnError) {
  TempFolder folder;
  ASSERT_TRUE(WriteSafetensors(folder / "f", {{"a", at::zeros({4})}, {"b", at::zeros({2})}}).ok());
  const std::string bytes = ReadBytes(folder / "f");
  for (size_t size = 0; size < bytes.size(); ++size) {
    WriteBytes(folder / "cut", bytes.substr(0, size));
    EXPECT_EQ(SafetensorsFile::Open(folder / "cut").status().code(), absl::StatusCode::kInvalidArgument)
        << size;
  }
}

TEST(SafetensorsTest, EveryFlippedByteIsReadOrRefusedWithoutACrash) {
  TempFolder folder;
  ASSERT_TRUE(WriteSafetensors(folder / "f", {{"a", at::zeros({4})}, {"b", at::zeros({2, 3})}}).ok());
  const std::string bytes = ReadBytes(folder / "f");
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {1, 2, 8, 0x80, 0xff}) {
      std::string wrong = bytes;
      wrong[i] = static_cast<char>(wrong[i] ^ flip);
      WriteBytes(folder / "wrong", wrong);
      const auto file = SafetensorsFile::Open(folder / "wrong");
      if (file.ok()) {
        EXPECT_TRUE(file->GetAll().ok());
      }
    }
  }
}

TEST(SafetensorsTest, LiesInTheHeaderAreNamed) {
  EXPECT_THAT(ErrorOf("", 0), HasSubstr("does not begin with"));
  EXPECT_THAT(ErrorOf("[]", 0), HasSubstr("does not begin with"));
  EXPECT_THAT(ErrorOf("{\"a\":", 0), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("{\"\xff\":1}", 0), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("{}", 5), HasSubstr("5 bytes at its end"));
  EXPECT_THAT(ErrorOf(R"({"w":3})", 0), HasSubstr("tensor w"));
  EXPECT_THAT(ErrorOf(R"({"__metadata__":{"a":1}})", 0), HasSubstr("__metadata__.a"));
  const auto entry = [](const char* dtype, const char* shape, const char* offsets) {
    return std::string(R"({"w":{"dtype":")") + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  EXPECT_EQ(ErrorOf(entry("F32", "[2]", "[0,8]"), 8), "no error");
  EXPECT_THAT(ErrorOf(entry("F8", "[2]", "[0,8]"), 8), AllOf(HasSubstr("tensor w"), HasSubstr("F8")));
  EXPECT_THAT(ErrorOf(entry("F32", "[3]", "[0,8]"), 8), AllOf(HasSubstr("[3]"), HasSubstr("12 bytes")));
  EXPECT_THAT(ErrorOf(entry("F32", "[-2]", "[0,8]"), 8), HasSubstr("-2"));
  EXPECT_THAT(ErrorOf(entry("F32", "[2.0]", "[0,8]"), 8), HasSubstr("2.0"));
  EXPECT_THAT(ErrorOf(entry("F32", "[2]", "[0,16]"), 8), HasSubstr("outside"));
  EXPECT_THAT(ErrorOf(entry("F32", "[2]", "[8,0]"), 8), HasSubstr("outside"));
  EXPECT_THAT(ErrorOf(entry("F32", "[2]", "[-8,0]"), 8), HasSubstr("data_offsets"));
  EXPECT_THAT(ErrorOf(entry("F32", "[2]", "[0]"), 8), HasSubstr("data_offsets"));
  EXPECT_THAT(ErrorOf(entry("F32", "[2]", "[4,12]"), 12), HasSubstr("belong to none"));
  EXPECT_THAT(ErrorOf(entry("F32", "[4294967296,4294967296,0]", "[0,0]"), 0), HasSubstr("overflow"));
  EXPECT_THAT(ErrorOf(entry("F64", "[2305843009213693952]", "[0,0]"), 0), HasSubstr("overflow"));
  EXPECT_THAT(ErrorOf(entry("F32", "[18446744073709551615]", "[0,0]"), 0), HasSubstr("not a size"));
}

TEST(SafetensorsTest, OverlapsAndDuplicatesAreNamed) {
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                      6),
              AllOf(HasSubstr("tensor b"), HasSubstr("overlaps tensor a")));
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                      R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                      4),
              HasSubstr("key a twice"));
  EXPECT_THAT(ErrorOf(R"({"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}})", 4),
              HasSubstr("key dtype twice"));
}

TEST(SafetensorsTest, AbsurdHeaderLengthsAreRefused) {
  TempFolder folder;
  for (const uint64_t length : {uint64_t{100'000'001}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{3}}) {
    WriteBytes(folder / "f", Length(length) + "{}");
    EXPECT_THAT(std::string(SafetensorsFile::Open(folder / "f").status().message()), HasSubstr("claims"));
  }
}

TEST(SafetensorsTest, DeeplyNestedHeaderIsRefused) {
  EXPECT_THAT(ErrorOf("{\"a\":" + std::string(100'000, '['), 0), HasSubstr("nested more than 200 levels"));
}

TEST(SafetensorsTest, RefusesTensorsThatTheFormatLacks) {
  TempFolder folder;
  EXPECT_FALSE(WriteSafetensors(folder / "f", {{"c", at::zeros({2}, at::dtype(at::kComplexFloat))}}).ok());
  EXPECT_FALSE(WriteSafetensors(folder / "f", {{"none", at::Tensor()}}).ok());
  EXPECT_FALSE(WriteSafetensors(folder / "f", {{"\xff", at::zeros({2})}}).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// A file size limit fails as a full disk does: in the middle of writing.
TEST(SafetensorsTest, FullDiskLeavesTheOldFileAndNothingElse) {
  TempFolder folder;
  ASSERT_TRUE(WriteSafetensors(folder / "f", {{"a", at::zeros({4})}}).ok());
  const std::string before = ReadBytes(folder / "f");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  getrlimit(RLIMIT_FSIZE, &old_limit);
  const rlimit small = {4096, old_limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const absl::Status status = WriteSafetensors(folder / "f", {{"a", at::zeros({100'000})}});
  setrlimit(RLIMIT_FSIZE, &old_limit);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder / "f"));
  EXPECT_EQ(ReadBytes(folder / "f"), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace quantlab::engine
