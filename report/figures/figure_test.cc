#include "report/figures/figure.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/facts/layer_names.h"
#include "report/figures/charts.h"
#include "report/figures/label_placer.h"

namespace quantlab::report {
namespace {

using testing::HasSubstr;
using testing::Not;

bool Apart(const Spot& a, const LabelSize& a_size, const Spot& b, const LabelSize& b_size) {
  return std::abs(a.x - b.x) >= (a_size.width + b_size.width) / 2 ||
         std::abs(a.y - b.y) >= (a_size.height + b_size.height) / 2;
}

TEST(LabelPlacerTest, LabelsLieOnNoOtherLabelAndNoPoint) {
  std::vector<Spot> points;
  std::vector<LabelSize> sizes;
  // Eight variants in one corner, as close as quantized models are.
  for (int i = 0; i < 8; ++i) {
    points.push_back({600.0 + 12 * (i % 3), 300.0 + 9 * i});
    sizes.push_back({90.0 + 7 * i, 18});
  }
  const std::vector<Spot> labels = PlaceLabels(points, sizes, 780, 440);
  ASSERT_EQ(labels.size(), points.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    EXPECT_GE(labels[i].x - sizes[i].width / 2, 0);
    EXPECT_LE(labels[i].x + sizes[i].width / 2, 780);
    for (size_t j = 0; j < i; ++j)
      EXPECT_TRUE(Apart(labels[i], sizes[i], labels[j], sizes[j])) << i << " " << j;
    for (const Spot& point : points) EXPECT_TRUE(Apart(labels[i], sizes[i], point, {10, 10})) << i;
  }
}

TEST(LabelPlacerTest, OnlyAFarLabelNeedsALine) {
  const LabelSize size = {100, 18};
  EXPECT_FALSE(NeedsLine({200, 200}, {260, 200}, size));
  EXPECT_FALSE(NeedsLine({200, 200}, {260, 219}, size));
  EXPECT_TRUE(NeedsLine({200, 200}, {260, 240}, size));
}

TEST(LabelPlacerTest, ALabelWiderThanTheFrameStillGetsAPlace) {
  const std::vector<Spot> labels = PlaceLabels({{10, 10}}, {{500, 18}}, 100, 100);
  ASSERT_EQ(labels.size(), 1);
  EXPECT_DOUBLE_EQ(labels[0].x, 250);
}

TEST(PlotLabelTest, LeavesNothingThatGnuplotsReaderTakesApart) {
  EXPECT_EQ(PlotLabel("a\"b,c\\d\ne", 99), "a'b;c/d e");
  EXPECT_EQ(PlotLabel("模型模型模型", 4), "模型模…");
  EXPECT_EQ(PlotLabel("short", 22), "short");
}

TEST(PlotLabelTest, KeepsTheEndOfANameWhereTheBeginningsAreAlike) {
  EXPECT_EQ(PlotLabelEnd("模型模型一二", 4), "…型一二");
  EXPECT_EQ(PlotLabelEnd("short", 22), "short");
  EXPECT_NE(PlotLabelEnd("dynamic_quantization.granularity-per_tensor", 22),
            PlotLabelEnd("dynamic_quantization.granularity-per_token", 22));
}

TEST(PlotRowTest, VariantsOfOneMethodHaveMarksOfTheirOwn) {
  Facts facts;
  for (const char* method : {"qat", "weight_only", "qat", "qat"}) {
    VariantFacts variant;
    variant.method = method;
    variant.name = method + std::to_string(facts.variants.size());
    variant.succeeded = 1;
    facts.variants.push_back(variant);
  }
  const std::vector<PlotRow> rows = PlotRows(facts);
  ASSERT_EQ(rows.size(), 4);
  EXPECT_EQ(rows[0].mark, 0);
  EXPECT_EQ(rows[1].mark, 0);
  EXPECT_EQ(rows[2].mark, 1);
  EXPECT_EQ(rows[3].mark, 2);
  EXPECT_EQ(rows[2].color, rows[0].color);
}

TEST(DrawnFrontTest, TheFirstWithTwoPoints) {
  Facts facts;
  facts.variants.resize(2);
  facts.variants[0].front = {{.number = 0, .seconds = 0.004, .loss_increase = 0.02, .chosen = true},
                             {.number = 1, .seconds = 0.005}};
  EXPECT_EQ(DrawnFront(facts), nullptr);
  facts.variants[1].front = {{.number = 0, .seconds = 0.004, .loss_increase = 0.02, .chosen = true},
                             {.number = 1, .seconds = 0.006, .loss_increase = 0.002}};
  EXPECT_EQ(DrawnFront(facts), &facts.variants[1]);
}

TEST(ScriptTest, QuotesTextsAndMarksNumbers) {
  const std::string script = Script("results/x", "What.")
                                 .Set("n", 3)
                                 .Set("t", Text{"it's", "它"})
                                 .Flag("f", true)
                                 .Array("a", {1, 2.5})
                                 .Body("plot\n");
  EXPECT_THAT(script, HasSubstr("n = 3.0\n"));
  EXPECT_THAT(script, HasSubstr("t = chinese ? '它' : 'it''s'\n"));
  EXPECT_THAT(script, HasSubstr("f = 1\narray a[2] = [1.0, 2.5]\nplot\n"));
}

TEST(TickStepTest, Table) {
  EXPECT_DOUBLE_EQ(TickStep(10, 5), 2);
  EXPECT_DOUBLE_EQ(TickStep(1.4, 5), 0.5);
  EXPECT_DOUBLE_EQ(TickStep(90, 6), 20);
  EXPECT_DOUBLE_EQ(TickStep(0, 5), 1);
}

TEST(ColorTest, EachMethodHasItsOwn) {
  std::set<std::string> colors;
  for (const char* method : {"dynamic_quantization", "static_quantization", "qat", "fp32_continued",
                             "mixed_precision", "weight_only", "fp8_quantization", "another"}) {
    VariantFacts variant;
    variant.method = method;
    EXPECT_TRUE(colors.insert(MethodColor(variant)).second) << method;
  }
}

TEST(LayerNameTest, Table) {
  const auto place = [](const char* name, const char* role = "", std::optional<int64_t> block = {}) {
    Layer layer;
    layer.name = name;
    layer.role = role;
    layer.block = block;
    return PlaceOf(layer);
  };
  // The role counts, whatever the name looks like.
  EXPECT_EQ(place("distilbert.transformer.layer.4.ffn.lin1", "ffn.in", 4).short_name.english, "4 ffn up");
  EXPECT_EQ(place("distilbert.transformer.layer.4.ffn.lin1", "ffn.in", 4).part, ModelPart::kUp);
  EXPECT_EQ(place("classifier", "pooler").part, ModelPart::kPooler);
  EXPECT_EQ(place("classifier.dense", "classifier.dense").short_name.chinese, "分类隐层");
  EXPECT_EQ(place("layer.7.output.dense", "some.new.role", 2).short_name.english, "2 dense");
  EXPECT_EQ(place("layer.7.output.dense", "some.new.role", 2).part, std::nullopt);
  // Stored before there were roles.
  EXPECT_EQ(place("bert.encoder.layer.3.attention.output.dense").short_name.english, "3 attn out");
  EXPECT_EQ(place("bert.encoder.layer.3.output.dense").short_name.english, "3 ffn down");
  EXPECT_EQ(place("bert.encoder.layer.3.output.dense").block, 3);
  EXPECT_EQ(place("bert.pooler.dense").short_name.chinese, "池化层");
  EXPECT_EQ(place("gpt.h.2.mlp.c_proj").short_name.english, "2 c_proj");
  EXPECT_EQ(place("bert.encoder.layer.0.output.dense").part, ModelPart::kDown);
  EXPECT_EQ(place("something.else").part, std::nullopt);
}

TEST(FigureTest, NoNameFromOutsideReachesAScript) {
  ReportData data;
  RunReport run;
  run.run.name = run.config.variant = "'; system 'touch /tmp/owned'; `id`";
  run.run.method = run.config.method.name = "`id`";
  run.run.kind = RunKind::kQuantization;
  run.run.state = RunState::kSucceeded;
  Metric accuracy;
  accuracy.name = "accuracy";
  accuracy.value = 0.9;
  accuracy.labels = {{"split", "test"}};
  run.metrics = {accuracy};
  Layer layer;
  layer.name = layer.requested = layer.effective = "`id`";
  run.layers = {layer};
  data.runs = {run};
  const Facts facts = CollectFacts(data);
  const std::vector<Figure> figures = AllFigures(facts);
  EXPECT_GE(figures.size(), 4);
  for (const Figure& figure : figures) EXPECT_THAT(figure.script, Not(HasSubstr("id`"))) << figure.path;
}

}  // namespace
}  // namespace quantlab::report
