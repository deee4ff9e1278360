#include "worker/engine/tensors/folder_weights.h"

#include <caffe2/serialize/inline_container.h>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::engine {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

// What torch.save({"w": tensor}) pickles: a view of these sizes, strides and offset of storage 0.
std::string Pickle(const std::string& rows, const std::string& row_stride) {
  return "\x80\x02}X\x01\x00\x00\x00w"
         "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
         "ctorch\nFloatStorage\nX\x01\x00\x00\x00"
         "0X\x03\x00\x00\x00"
         "cpuK\x06tQK\x01"s +
         "K" + rows + "K\x02\x86"s + "K" + row_stride + "K\x01\x86\x89" + "}tRs."s;
}

void WritePickleFile(const std::string& path, const std::string& pickle) {
  const std::vector<float> values = {0, 1, 2, 3, 4, 5};
  caffe2::serialize::PyTorchStreamWriter writer(path);
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  writer.writeRecord("data/0", values.data(), values.size() * sizeof(float));
  writer.writeEndOfFile();
}

TEST(FolderWeights, PickledTensorsAreViewsOfTheirStorage) {
  const TempFolder folder;
  WritePickleFile(folder / "pytorch_model.bin", Pickle("\x02", "\x03"));
  const auto read = ReadFolderWeights(folder.path());
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->tensors.size(), 1u);
  EXPECT_EQ(read->where, folder / "pytorch_model.bin");
  const at::Tensor expected = at::tensor({1.F, 2.F, 4.F, 5.F}).view({2, 2});
  EXPECT_TRUE(at::equal(read->tensors.at("w"), expected));
}

TEST(FolderWeights, ATensorOutsideOfItsStorageIsRefused) {
  const TempFolder folder;
  for (const auto& [rows, stride] :
       {std::pair("\x03", "\x03"), std::pair("\x02", "\x05"), std::pair("\x7f", "\x7f")}) {
    WritePickleFile(folder / "pytorch_model.bin", Pickle(rows, stride));
    EXPECT_THAT(std::string(ReadFolderWeights(folder.path()).status().message()),
                HasSubstr("pytorch_model.bin: tensor w lies outside of its storage"));
  }
}

TEST(FolderWeights, AnArchiveThatIsDamagedIsAnError) {
  const TempFolder folder;
  folder.Write("pytorch_model.bin", "PK\x03\x04 and nothing more");
  EXPECT_FALSE(ReadFolderWeights(folder.path()).ok());
  folder.Write("pytorch_model.bin", "<html>");
  EXPECT_THAT(std::string(ReadFolderWeights(folder.path()).status().message()),
              HasSubstr("pytorch_model.bin is"));
}

TEST(FolderWeights, AFolderWithoutWeightsNamesWhatWasLookedFor) {
  const TempFolder folder;
  const absl::Status status = ReadFolderWeights(folder.path()).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors: no such file"));
}

}  // namespace
}  // namespace quantlab::engine
