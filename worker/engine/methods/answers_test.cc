#include "worker/engine/methods/answers.h"

#include <memory>

#include <gtest/gtest.h>

#include "worker/engine/layers/dynamic_int8_linear.h"
#include "worker/engine/models/random_encoder.h"

namespace quantlab::engine {
namespace {

// Quantizes the feed-forward input of the last block; returns that block.
int64_t ChangeLastBlock(Encoder& model) {
  const int64_t last = model.config().num_hidden_layers - 1;
  model.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    if (info.block != last || info.role != layer_role::kFfnIn) return;
    const LinearFp32& layer = dynamic_cast<const LinearFp32&>(*slot);
    slot =
        *DynamicInt8Linear::Create(*QuantizeWeights(layer.weight(), /*per_channel=*/true), layer.bias(), {});
  });
  return last;
}

// Batches whose states no longer fit are computed whole.
TEST(RepeatedQuestionsTest, TheAnswersAreThoseOfTheWholeModelWhateverIsKept) {
  const EncoderConfig config = SmallEncoderConfig();
  LabelledTexts texts;
  texts.texts = RandomTexts(config, 13, 30, 3);
  texts.labels.assign(13, 0);
  for (const int64_t limit : {RepeatedQuestions::kMaxStateBytes, int64_t{1}}) {
    const std::unique_ptr<Encoder> model = *MakeRandomEncoder(config, 5);
    RepeatedQuestions questions(texts, /*batch_size=*/4, limit);
    const Answers before = *questions.AskFirst(*model);
    EXPECT_EQ(before.logits, Ask(*model, texts, 4)->logits);
    const int64_t block = ChangeLastBlock(*model);
    const Answers after = *questions.AskFrom(*model, block);
    EXPECT_EQ(after.logits, Ask(*model, texts, 4)->logits) << limit;
    EXPECT_NE(after.logits, before.logits);
  }
}

}  // namespace
}  // namespace quantlab::engine
