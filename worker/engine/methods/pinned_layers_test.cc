#include "worker/engine/methods/pinned_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const std::vector<std::string>& Layers() {
  static const auto* const layers = new std::vector<std::string>{
      "bert.encoder.layer.0.output.dense", "bert.encoder.layer.1.output.dense", "classifier"};
  return *layers;
}

TEST(ParsePinsTest, TheLastPatternThatMatchesWins) {
  const auto pins =
      ParsePins(" *.output.dense = bf16 , bert.encoder.layer.1.*=int8,classifier=fp32", Layers());
  ASSERT_TRUE(pins.ok()) << pins.status();
  EXPECT_THAT(*pins, UnorderedElementsAre(Pair("bert.encoder.layer.0.output.dense", "bf16"),
                                          Pair("bert.encoder.layer.1.output.dense", "int8"),
                                          Pair("classifier", "fp32")));
}

TEST(ParsePinsTest, NothingPinsNothing) {
  EXPECT_TRUE(ParsePins("", Layers())->empty());
  EXPECT_TRUE(ParsePins(" , ", Layers())->empty());
}

TEST(ParsePinsTest, NamesWhatIsWrong) {
  const struct {
    const char *text, *message;
  } cases[] = {{"classifier", "classifier"},
               {"classifier=int3", "int8, bf16, fp16, fp32"},
               {"pooler=int8", "no layer matches \"pooler\""}};
  for (const auto& c : cases) {
    const auto pins = ParsePins(c.text, Layers());
    EXPECT_TRUE(absl::IsInvalidArgument(pins.status())) << c.text;
    EXPECT_THAT(std::string(pins.status().message()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace quantlab::engine
