#include "worker/runner/comparison/same_models.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::runner {
namespace {

using ::testing::ElementsAre;

class SameModelsTest : public ::testing::Test {
 protected:
  ModelInput Model(const std::string& name, const std::string& weights, const std::string& plan) {
    const std::string folder = temp_.path() + "/" + name;
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/model.safetensors") << weights;
    if (!plan.empty()) std::ofstream(folder + "/plan.json") << plan;
    return {name, name, "method", folder};
  }

  const TempFolder temp_;
};

TEST_F(SameModelsTest, EqualWeightsAndLayersAreOneModelWhateverTheMethod) {
  const std::string layers = R"("layers": [{"name": "a", "kind": "int8_static"}], "embeddings": [])";
  const std::vector<ModelInput> inputs = {
      Model("baseline", "1", ""), Model("static", "2", R"({"method": {"name": "static"}, )" + layers + "}"),
      Model("dynamic", "3", R"({"method": {"name": "dynamic"}, )" + layers + "}"),
      Model("mixed", "2", R"({"method": {"name": "mixed"}, )" + layers + "}"),
      // The same bytes, computed otherwise.
      Model("other", "2", R"({"method": {}, "layers": [{"name": "a", "kind": "int8_dynamic"}]})"),
      Model("half", "2", R"({"method": {}, "activation_dtype": "bf16", )" + layers + "}")};
  EXPECT_THAT(*FirstOfSameModels(inputs), ElementsAre(0, 1, 2, 1, 4, 5));
}

TEST_F(SameModelsTest, APlanThatChangesNothingIsTheBaselineAgain) {
  EXPECT_THAT(
      *FirstOfSameModels({Model("baseline", "1", ""),
                          Model("noop", "1", R"({"method": {}, "layers": [{"name": "a", "kind": "fp32"}]})"),
                          Model("half", "1", R"({"method": {}, "activation_dtype": "bf16", "layers": []})")}),
      ElementsAre(0, 0, 2));
}

TEST_F(SameModelsTest, DamagedFilesAreNamed) {
  const absl::Status damaged = FirstOfSameModels({Model("baseline", "1", "[")}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(damaged)) << damaged;
  EXPECT_THAT(std::string(damaged.message()), ::testing::HasSubstr("plan.json"));
  EXPECT_FALSE(FirstOfSameModels({{"gone", "gone", "", temp_.path() + "/gone"}}).ok());
}

}  // namespace
}  // namespace quantlab::runner
