#include "server/config/plan.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/config/runtime_names.h"
#include "base/config/settings.h"
#include "base/records/worker_facts.h"
#include "base/sha256.h"

namespace quantlab {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kMinimal[] = R"(experiments:
  baseline: {enabled: true, model: "bert-base-uncased", dataset: "imdb"}
  dynamic_quantization: {enabled: true, dtype: "qint8"}
evaluation:
  metrics: [accuracy, f1_score, model_size, inference_time, memory_usage]
)";

std::string ReadWhole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

const Catalog& RealCatalog() {
  static const Catalog* const catalog =
      new Catalog(*Catalog::Parse("catalog.yaml", ReadWhole(QUANTLAB_SOURCE_DIR "/configs/catalog.yaml")));
  return *catalog;
}

ProvidedAsset Bert() {
  ProvidedAsset bert{"bert-base-uncased", {}};
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt"}) {
    bert.files.push_back({name, Sha256Hex(name), 10});
  }
  return bert;
}

PlanResult Plan(const std::string& text, std::vector<std::string> only = {}) {
  return PlanExperiment({{{"e.yaml", text}}, {}, std::move(only), false}, RealCatalog());
}

std::string Problems(const PlanResult& result) {
  return absl::StrJoin(result.diagnostics.all(), "\n",
                       [](std::string* out, const Diagnostic& d) { out->append(FormatDiagnostic(d)); });
}

std::vector<std::string> RunNames(const PlanResult& result) {
  std::vector<std::string> names;
  for (const PlannedRun& run : result.runs) names.push_back(run.config.run_name);
  return names;
}

std::vector<std::string> Folders(const PlanResult& result) {
  std::vector<std::string> names;
  for (const PlannedRun& run : result.runs) names.push_back(run.folder);
  return names;
}

TEST(PlanTest, TheMinimalFileIsValidAsItStands) {
  const PlanResult plan =
      PlanExperiment({{{"dir/minimal.yaml", kMinimal}}, {Bert()}, {}, true}, RealCatalog());
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_EQ(plan.name, "minimal");
  EXPECT_THAT(RunNames(plan), ElementsAre("baseline", "dynamic_quantization", "comparison"));
  EXPECT_THAT(Folders(plan), ElementsAre("baseline", "dynamic_quant", "comparison"));
  const PlannedRun& baseline = plan.runs[0];
  EXPECT_EQ(baseline.config.model.digest, AssetDigest(Bert().files));
  EXPECT_TRUE(baseline.config.training.enabled);
  EXPECT_EQ(baseline.config.dataset.filter_value, "imdb");
  EXPECT_EQ(baseline.config.seed, 42u);
  const PlannedRun& dynamic = plan.runs[1];
  EXPECT_EQ(dynamic.config.method.params.at("granularity"), ParamValue(std::string("per_token")));
  ASSERT_EQ(dynamic.needs.size(), 1u);
  EXPECT_TRUE(dynamic.needs[0].must_succeed);
  const PlannedRun& comparison = plan.runs[2];
  ASSERT_EQ(comparison.needs.size(), 2u);
  EXPECT_TRUE(comparison.needs[0].must_succeed);
  EXPECT_FALSE(comparison.needs[1].must_succeed);
  EXPECT_THAT(comparison.input_key, IsEmpty());
}

TEST(PlanTest, MissingInputNamesTheRemedy) {
  const PlanResult plan = PlanExperiment({{{"minimal.yaml", kMinimal}}, {}, {}, true}, RealCatalog());
  EXPECT_FALSE(plan.ok());
  EXPECT_THAT(Problems(plan),
              AllOf(HasSubstr("minimal.yaml:2:36: the files of the model bert-base-uncased were not "
                              "uploaded from models/bert-base-uncased"),
                    HasSubstr("download config.json")));
  ASSERT_EQ(plan.required.size(), 1u);
  EXPECT_EQ(plan.required[0].path, "models/bert-base-uncased");
  EXPECT_TRUE(Plan(kMinimal).ok());  // validation alone
}

TEST(PlanTest, UploadedFilesAreChecked) {
  const auto problems = [](ProvidedAsset asset) {
    return Problems(PlanExperiment({{{"m.yaml", kMinimal}}, {std::move(asset)}, {}, true}, RealCatalog()));
  };
  ProvidedAsset asset = Bert();
  asset.files.pop_back();
  EXPECT_THAT(problems(asset), HasSubstr("lacks tokenizer.json or vocab.txt"));
  asset.files.back() = {"pytorch_model.bin.index.json", Sha256Hex("x"), 10};
  EXPECT_THAT(problems(asset), HasSubstr("lacks model.safetensors, tokenizer.json or vocab.txt "
                                         "(pytorch_model.bin.index.json is not read"));
  for (const char* weights : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"}) {
    for (const char* tokenizer : {"tokenizer.json", "vocab.txt"}) {
      asset.files = {
          {"config.json", Sha256Hex("c"), 1}, {weights, Sha256Hex("w"), 1}, {tokenizer, Sha256Hex("t"), 1}};
      EXPECT_EQ(problems(asset), "") << weights << tokenizer;
    }
  }
  asset = Bert();
  asset.files[0].path = "../config.json";
  EXPECT_THAT(problems(asset),
              HasSubstr("'../config.json', but the path of a file must not have the part '..'"));
  asset = Bert();
  asset.files[0].sha256 = "xyz";
  EXPECT_THAT(problems(asset), HasSubstr("wrong digest"));
  asset = Bert();
  asset.files.push_back(asset.files[0]);
  EXPECT_THAT(problems(asset), HasSubstr("twice"));
}

TEST(PlanTest, TheFilesOfTheProjectAreValidWithoutAWarning) {
  std::vector<SourceFile> quick = {
      {"configs/quick.yaml", ReadWhole(QUANTLAB_SOURCE_DIR "/configs/quick.yaml")}};
  const PlanResult plan = PlanExperiment({quick, {}, {}, true}, RealCatalog());
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_THAT(Problems(plan), IsEmpty());
  EXPECT_EQ(plan.name, "quick");
  EXPECT_THAT(RunNames(plan), ElementsAre("baseline", "dynamic_quantization", "static_quantization", "qat",
                                          "fp32_continued", "mixed_precision", "weight_only", "comparison"));

  std::vector<SourceFile> all = {
      {"configs/imdb_minilm.yaml", ReadWhole(QUANTLAB_SOURCE_DIR "/configs/imdb_minilm.yaml")}, quick[0]};
  const PlanResult full = PlanExperiment({all, {}, {}, true}, RealCatalog());
  ASSERT_TRUE(full.ok()) << Problems(full);
  EXPECT_THAT(Problems(full), IsEmpty());
  EXPECT_EQ(full.name, "imdb_minilm");
  EXPECT_EQ(full.runs[0].config.dataset.train_size, 0);
  EXPECT_EQ(full.runs[0].config.dataset.split_seed, plan.runs[0].config.dataset.split_seed);

  std::vector<SourceFile> bert = {
      {"configs/imdb_bert_base.yaml", ReadWhole(QUANTLAB_SOURCE_DIR "/configs/imdb_bert_base.yaml")}};
  const PlanResult base = PlanExperiment({bert, {}, {}, false}, RealCatalog());
  ASSERT_TRUE(base.ok()) << Problems(base);
  EXPECT_THAT(Problems(base), IsEmpty());
  EXPECT_EQ(base.required.size(), 2u);

  std::vector<SourceFile> classes = {{"configs/r8.yaml", ReadWhole(QUANTLAB_SOURCE_DIR "/configs/r8.yaml")}};
  const PlanResult r8 = PlanExperiment({classes, {}, {}, false}, RealCatalog());
  EXPECT_TRUE(r8.ok());
  EXPECT_THAT(Problems(r8), IsEmpty());
}

TEST(PlanTest, SweepsAndSeedsMultiply) {
  const PlanResult plan = Plan(R"(seeds: [1, 2]
experiments:
  baseline: {model: minilm}
  dynamic_quantization: {granularity: [per_token, per_tensor], reduce_range: [true]}
evaluation: {metrics: [accuracy, latency]}
)");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_THAT(RunNames(plan),
              ElementsAre("baseline.seed-1", "dynamic_quantization.granularity-per_token.seed-1",
                          "dynamic_quantization.granularity-per_tensor.seed-1", "baseline.seed-2",
                          "dynamic_quantization.granularity-per_token.seed-2",
                          "dynamic_quantization.granularity-per_tensor.seed-2", "comparison"));
  EXPECT_THAT(Folders(plan), testing::Contains("dynamic_quant/granularity-per_tensor/seed-2"));
  EXPECT_EQ(plan.runs[2].config.variant, "dynamic_quantization.granularity-per_tensor");
  EXPECT_EQ(plan.runs[2].needs[0].run, "baseline.seed-1");
  EXPECT_EQ(plan.runs[6].needs.size(), 3u);  // the first seed alone
  EXPECT_EQ(plan.runs[1].config.method.params.at("reduce_range"), ParamValue(true));
}

TEST(PlanTest, SeveralLengthsAreTimedAndTheOlderNameIsUnderstood) {
  const auto lengths = [](const std::string& latency) {
    const PlanResult plan = Plan(absl::StrCat(kMinimal, "  latency: {", latency, "}\n"));
    EXPECT_TRUE(plan.ok()) << Problems(plan);
    return plan.runs.back().config.evaluation.latency_sequence_lengths;
  };
  EXPECT_THAT(lengths("sequence_lengths: [32, 128]"), ElementsAre(32, 128));
  EXPECT_THAT(lengths("sequence_length: 64"), ElementsAre(64));
  EXPECT_THAT(lengths("min_samples: 5"), ElementsAre(128));
}

TEST(PlanTest, OnlyKeepsWhatIsNeeded) {
  EXPECT_THAT(RunNames(Plan(kMinimal, {"dynamic_quantization"})),
              ElementsAre("baseline", "dynamic_quantization"));
  EXPECT_THAT(RunNames(Plan(kMinimal, {"dynamic_quant"})), ElementsAre("baseline", "dynamic_quantization"));
  EXPECT_THAT(RunNames(Plan(kMinimal, {"comparison"})),
              ElementsAre("baseline", "dynamic_quantization", "comparison"));
  EXPECT_THAT(
      Problems(Plan(kMinimal, {"dynamic_quantisation"})),
      HasSubstr("has no run dynamic_quantisation (asked for with only); did you mean dynamic_quantization?"));
}

TEST(PlanTest, ComparisonIsImpliedByTimingMetricsAlone) {
  const std::string head = "experiments: {baseline: {}, dynamic_quantization: {}";
  EXPECT_THAT(RunNames(Plan(head + "}\nevaluation: {metrics: [accuracy, f1]}\n")),
              ElementsAre("baseline", "dynamic_quantization"));
  EXPECT_THAT(RunNames(Plan(head + "}\nevaluation: {metrics: [speedup]}\n")),
              testing::Contains("comparison"));
  const PlanResult asked = Plan(head + ", comparison: {}}\nevaluation: {metrics: [accuracy]}\n");
  EXPECT_THAT(RunNames(asked), testing::Contains("comparison"));
  EXPECT_THAT(asked.runs[0].config.evaluation.metrics, testing::Contains("speedup"));
  EXPECT_THAT(Problems(Plan(head + ", comparison: {enabled: false}}\nevaluation: {metrics: [speedup]}\n")),
              HasSubstr("comparison is not enabled"));
}

TEST(PlanTest, RuntimesOfTheComparisonReachItsRun) {
  const std::string head = "experiments: {baseline: {}, dynamic_quantization: {}, comparison: {runtimes: ";
  const PlanResult plan = Plan(head + "[quantlab, onnxruntime, x-mine]}}\n");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_THAT(RuntimesOf(plan.runs.back().config), ElementsAre("quantlab", "onnxruntime", "x-mine"));
  EXPECT_THAT(RuntimesOf(plan.runs.front().config), IsEmpty());
  EXPECT_THAT(RuntimesOf(Plan(head + "openvino}}\n").runs.back().config), ElementsAre("openvino"));
  EXPECT_TRUE(Plan(head + "[]}}\n").runs.back().config.method.params.empty());
}

TEST(PlanTest, UnknownRuntimesAreRefusedWithTheirPlace) {
  const std::string head = "experiments:\n  baseline: {}\n  comparison:\n    runtimes: ";
  const std::string unknown = Problems(Plan(head + "[tflite]\n"));
  EXPECT_THAT(unknown, HasSubstr("there is no runtime tflite"));
  EXPECT_THAT(unknown, HasSubstr("quantlab, onnxruntime, openvino, pytorch, x-NAME"));
  EXPECT_THAT(unknown, HasSubstr(":4:"));
  EXPECT_THAT(Problems(Plan(head + "[x-../sh]\n")), HasSubstr("there is no runtime x-../sh"));
  EXPECT_THAT(Problems(Plan(head + "[openvino, openvino]\n")), HasSubstr("listed twice"));
  EXPECT_THAT(Problems(Plan(head + "{a: b}\n")), HasSubstr("runtimes"));
}

TEST(PlanTest, NoMoreRuntimesAreTakenThanAComparisonTimes) {
  const auto with = [](int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back(absl::StrCat("x-a", i));
    return Plan(absl::StrCat("experiments: {baseline: {}, comparison: {runtimes: [",
                             absl::StrJoin(names, ", "), "]}}\n"));
  };
  EXPECT_TRUE(with(16).ok()) << Problems(with(16));
  EXPECT_THAT(Problems(with(17)), HasSubstr("17 runtimes are listed; a comparison times at most 16"));
}

TEST(PlanTest, IncludesMergeAndLaterWins) {
  const std::vector<SourceFile> files = {
      {"a/main.yaml", "include: [base.yaml, ../gpu.yaml]\ntraining: {epochs: 3}\n"},
      {"a/base.yaml", "experiments: {baseline: {}}\ndevice: cpu\ntraining: {epochs: 1, batch_size: 8}\n"},
      {"gpu.yaml", "device: cuda\n"}};
  const PlanResult plan = PlanExperiment({files, {}, {}, false}, RealCatalog());
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_EQ(plan.name, "main");
  EXPECT_EQ(plan.runs[0].config.device, "cuda");
  EXPECT_EQ(plan.runs[0].config.training.epochs, 3);
  EXPECT_EQ(plan.runs[0].config.training.batch_size, 8);
}

TEST(PlanTest, SeedsReplaceTheSeedOfAnIncludedFile) {
  const std::string base = "seed: 42\nexperiments: {baseline: {}}\nevaluation: {metrics: [accuracy]}\n";
  const PlanResult plan = PlanExperiment(
      {{{"e.yaml", "include: [base.yaml]\nseeds: [1, 2]\n"}, {"base.yaml", base}}, {}, {}, true},
      RealCatalog());
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_THAT(RunNames(plan), ElementsAre("baseline.seed-1", "baseline.seed-2"));
  const PlanResult both = PlanExperiment(
      {{{"e.yaml", "include: [base.yaml]\nseeds: [1, 2]\nseed: 3\n"}, {"base.yaml", base}}, {}, {}, true},
      RealCatalog());
  EXPECT_THAT(Problems(both), HasSubstr("seed and seeds are both given"));
}

TEST(PlanTest, ProblemsInIncludesNameTheirFile) {
  const auto problems = [](std::vector<SourceFile> files) {
    return Problems(PlanExperiment({std::move(files), {}, {}, false}, RealCatalog()));
  };
  EXPECT_THAT(problems({{"m.yaml", "include: b.yaml\nexperiments: {baseline: {}}\n"},
                        {"b.yaml", "training:\n  epochs: many\n"}}),
              HasSubstr("b.yaml:2:11: training.epochs is many; allowed: an integer from 1 to 1000"));
  EXPECT_THAT(problems({{"m.yaml", "include: c.yaml\n"}}),
              HasSubstr("m.yaml:1:10: the included file c.yaml was not sent"));
  EXPECT_THAT(problems({{"m.yaml", "include: m.yaml\n"}}), HasSubstr("in a circle"));
  EXPECT_THAT(
      problems({{"m.yaml", "include: [b.yaml, b.yaml, b.yaml, b.yaml, b.yaml]\n"},
                {"b.yaml", "include: [c.yaml, c.yaml, c.yaml, c.yaml, c.yaml, c.yaml, c.yaml, c.yaml]\n"},
                {"c.yaml", "include: [d.yaml, d.yaml, d.yaml, d.yaml, d.yaml, d.yaml, d.yaml, d.yaml]\n"},
                {"d.yaml", "device: cpu\n"}}),
      HasSubstr("more than 256 includes"));
}

struct BadFile {
  const char* text;
  const char* problem;
};

// Wraps what is wrong in a file that is right otherwise; its first line is line 2.
std::string WithBaseline(const std::string& text) {
  return "experiments: {baseline: {}}\n" + text;
}

class BadFileTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsRefusedWithPlaceAndRemedy) {
  const PlanResult plan = Plan(WithBaseline(GetParam().text));
  EXPECT_FALSE(plan.ok());
  EXPECT_THAT(plan.runs, IsEmpty());
  EXPECT_THAT(Problems(plan), HasSubstr(GetParam().problem));
}

INSTANTIATE_TEST_SUITE_P(
    Keys, BadFileTest,
    testing::Values(
        BadFile{"trainning: {epochs: 1}\n", "e.yaml:2:1: there is no key trainning; did you mean training?"},
        BadFile{"training: {lerning_rate: 1}\n",
                "e.yaml:2:12: there is no key lerning_rate in training; did you mean learning_rate?"},
        BadFile{"training: {epochs: 0}\n",
                "e.yaml:2:20: training.epochs is 0; allowed: an integer from 1 to 1000"},
        BadFile{"training: {epochs: \"2\"}\n", "training.epochs is \"2\""},
        BadFile{"training: {epochs: 1.5}\n", "training.epochs is 1.5"},
        BadFile{"training: {epochs: 99999999999999999999}\n", "training.epochs is 99999999999999999999"},
        BadFile{"training: {learning_rate: .nan}\n", "training.learning_rate is .nan"},
        BadFile{"training: {learning_rate: nan}\n", "training.learning_rate is nan"},
        BadFile{"training: {learning_rate: 2}\n",
                "e.yaml:2:27: training.learning_rate is 2; allowed: a number from 1e-09 to 1"},
        BadFile{"training: {dropout: yes}\n", "training.dropout is yes; allowed: true or false"},
        BadFile{"training: {dtype: fp16}\n", "training.dtype is fp16; allowed: fp32, bf16"},
        BadFile{"training: {optimizer: sgd}\n", "training.optimizer is sgd; allowed: adamw"},
        BadFile{"training: [1]\n", "e.yaml:2:11: training must be a map of keys and values, not a list"},
        BadFile{"seed: -1\n", "e.yaml:2:7: seed is -1; allowed: an integer from 0 to"},
        BadFile{"seed: 1\nseeds: [1]\n", "e.yaml:3:8: seed and seeds are both given"},
        BadFile{"seeds: [1, 1]\n", "seeds has 1 twice"},
        BadFile{"seeds: []\n", "seeds is a list; allowed: a list of integers"},
        BadFile{"seeds: 3\n", "seeds is 3"},
        BadFile{"device: gpu\n", "e.yaml:2:9: device is gpu; allowed: cpu, cuda"},
        BadFile{"threads: 2000\n", "threads is 2000"},
        BadFile{"time_limit: 2\n", "time_limit is 2; allowed: a duration"},
        BadFile{"time_limit: inf\n", "time_limit is inf"}, BadFile{"name: \"../x\"\n", "name is \"../x\""},
        BadFile{"resources: {memory_gb: -1}\n", "resources.memory_gb is -1"},
        BadFile{"resources: {gpus: 2}\n", "there is no key gpus in resources"},
        BadFile{"resources: {labels: [a]}\n",
                "resources.labels is a list; allowed: a map from words to words"},
        BadFile{"resources: {labels: {room 2: x}}\n", "e.yaml:2:22: room 2: x cannot be a label of workers"},
        BadFile{"resources: {labels: {room: 'a b'}}\n", "room: \"a b\" cannot be a label of workers"},
        BadFile{"report: {language: fr}\n", "report.language is fr; allowed: zh, en, both"},
        BadFile{"dataset: {train_size: -1}\n", "dataset.train_size is -1"},
        BadFile{"dataset: {labels: [a]}\n", "dataset.labels must be at least two"},
        BadFile{"dataset: {format: xml}\n", "dataset.format is xml"},
        BadFile{"dataset: {label_map: [a]}\n",
                "dataset.label_map is a list; allowed: a map from words to words"},
        BadFile{"dataset: {label_map: {a: [b]}}\n", "dataset.label_map.a is a list"},
        BadFile{"dataset: {label_map: {\"a: b\": c}}\n", "allowed: a map from words to words"},
        BadFile{"evaluation: {metrics: [acuracy]}\n",
                "e.yaml:2:24: there is no metric acuracy; did you mean accuracy?"},
        BadFile{
            "evaluation: {metrics: [pearson]}\n",
            "e.yaml:2:24: pearson is a metric of regression, but dataset.task is classification; its metrics are "
            "accuracy"},
        BadFile{"dataset: {task: ranking}\n", "dataset.task is ranking; allowed: classification, regression"},
        BadFile{"dataset: {task: regression, label_map: {a: b}}\n",
                "dataset.label_map names classes, but dataset.task is regression"},
        BadFile{"evaluation: {metrics: []}\n", "evaluation.metrics is empty"},
        BadFile{"evaluation: {metrics: accuracy}\n", "allowed: a list of accuracy"},
        BadFile{"evaluation: {latency: {batch_sizes: [0]}}\n", "evaluation.latency.batch_sizes is 0"},
        BadFile{"evaluation: {latency: {sequence_lengths: [16, 16]}}\n",
                "evaluation.latency.sequence_lengths is 16; allowed: different integers"},
        BadFile{"evaluation: {latency: {sequence_lengths: [16], sequence_length: 16}}\n",
                "e.yaml:2:65: evaluation.latency.sequence_length is an older name of sequence_lengths"},
        BadFile{"evaluation: {latency: {samples: 3}}\n", "there is no key samples in evaluation.latency"},
        BadFile{"device: [unclosed\n", "this is not YAML"},
        BadFile{"reuse: true\nreuse: false\n", "e.yaml:3:1: the key reuse appears twice"}));

TEST(PlanTest, NamesAreOfAnyScript) {
  const auto name_of = [](const std::string& file, const std::string& text) {
    return PlanExperiment({{{file, text + kMinimal}}, {}, {}, false}, RealCatalog()).name;
  };
  EXPECT_EQ(name_of("dir/实验一.yaml", ""), "实验一");
  EXPECT_EQ(name_of("实验2024.yaml", ""), "实验2024");
  EXPECT_EQ(name_of("my file.yaml", ""), "my-file");
  EXPECT_EQ(name_of("~.yaml", ""), "experiment");
  EXPECT_EQ(name_of("e.yaml", "name: 实验二\n"), "实验二");
}

TEST(PlanTest, EncodingAndNamesOfClassesReachTheRun) {
  const PlanResult plan =
      Plan(std::string(kMinimal) + "dataset: {encoding: gbk, label_map: {POS: positive, 1: 'no: 1'}}\n");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_EQ(plan.runs[0].config.dataset.encoding, "gbk");
  EXPECT_EQ(plan.runs[0].config.dataset.label_map, (std::vector<std::string>{"POS: positive", "1: no: 1"}));
}

TEST(PlanTest, RunsNeedTheResourcesOfTheFileAndMeasurementsTheWholeMachine) {
  const PlanResult plan = Plan(
      "experiments: {baseline: {}, dynamic_quantization: {}, mixed_precision: {mode: [per_layer, whole]}, "
      "comparison: {}}\ndataset: {validation_size: 100}\n"
      "resources: {memory_gb: 1.5, labels: {room: 2, gpu/model: h100}}\n");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  std::map<std::string, bool> alone;
  for (const PlannedRun& run : plan.runs) {
    EXPECT_EQ(run.requirements.memory_bytes, 1'500'000'000) << run.config.run_name;
    EXPECT_EQ(run.requirements.labels,
              (std::map<std::string, std::string>{{"gpu/model", "h100"}, {"room", "2"}}));
    alone[run.config.run_name] = run.requirements.alone;
  }
  EXPECT_EQ(alone, (std::map<std::string, bool>{{"baseline", false},
                                                {"dynamic_quantization", false},
                                                {"mixed_precision.mode-per_layer", true},
                                                {"mixed_precision.mode-whole", false},
                                                {"comparison", true}}));
  EXPECT_EQ(Plan(kMinimal).runs[0].requirements, RunRequirements());
}

TEST(PlanTest, RunsOfPairsNeedAWorkerThatReadsThem) {
  const PlanResult plan = Plan(
      "experiments: {baseline: {}, dynamic_quantization: {}, comparison: {}}\n"
      "dataset: {text_pair_column: second}\nresources: {labels: {room: 2}}\n");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_EQ(plan.runs.size(), 3u);
  for (const PlannedRun& run : plan.runs) {
    EXPECT_EQ(run.requirements.labels,
              (std::map<std::string, std::string>{{kTextPairsFeature.requirement, "true"}, {"room", "2"}}))
        << run.config.run_name;
  }
}

TEST(PlanTest, ASideOfTruncationNeedsAWorkerThatKnowsIt) {
  for (const auto& [side, wanted] :
       {std::pair("left", size_t{1}), {"right", size_t{1}}, {"tokenizer", size_t{0}}}) {
    const PlanResult plan =
        Plan(absl::StrCat("experiments: {baseline: {}}\ndataset: {truncation_side: ", side, "}\n"));
    ASSERT_TRUE(plan.ok()) << Problems(plan);
    EXPECT_EQ(plan.runs[0].requirements.labels.count(kTruncationSideFeature.requirement), wanted) << side;
    EXPECT_EQ(plan.runs[0].config.dataset.truncation_side, side);
  }
  EXPECT_THAT(Problems(Plan("experiments: {baseline: {}}\ndataset: {truncation_side: middle}\n")),
              HasSubstr("allowed: tokenizer, right, left"));
}

TEST(PlanTest, TooManyLabelsAreRefused) {
  std::vector<std::string> labels;
  for (int i = 0; i < 33; ++i) labels.push_back(absl::StrCat("k", i, ": v"));
  const std::string minimal = kMinimal;
  EXPECT_THAT(Problems(Plan(minimal + "resources: {labels: {" + absl::StrJoin(labels, ", ") + "}}\n")),
              HasSubstr("there are 33 labels; allowed: 32"));
}

TEST(PlanTest, EveryProblemIsCollected) {
  const PlanResult plan =
      Plan("experiments: {baseline: {modl: x}, awq: {}}\ndevice: tpu\ntraining: {epochs: x}\n");
  EXPECT_THAT(Problems(plan), AllOf(HasSubstr("no key modl"), HasSubstr("no key awq in experiments"),
                                    HasSubstr("device is tpu"), HasSubstr("training.epochs is x")));
}

TEST(PlanTest, ExperimentsAreChecked) {
  EXPECT_THAT(Problems(Plan("device: cpu\n")), HasSubstr("experiments is missing"));
  EXPECT_THAT(Problems(Plan("experiments: {dynamic_quantization: {}}\n")),
              HasSubstr("experiments.baseline is missing"));
  EXPECT_THAT(Problems(Plan("experiments: {baseline: {enabled: false}}\n")), HasSubstr("not enabled"));
  EXPECT_THAT(Problems(Plan("experiments: {baseline: {model: minilmm}}\n")),
              AllOf(HasSubstr("e.yaml:1:33: the catalogue has no model minilmm; did you mean minilm?"),
                    HasSubstr("./minilmm")));
  EXPECT_THAT(
      Problems(Plan("experiments:\n  baseline: {}\n  dynamic_quantization: {dtype: int4}\n")),
      HasSubstr("e.yaml:3:33: dynamic_quantization: parameter dtype is int4; allowed: one of: qint8"));
  EXPECT_THAT(
      Problems(Plan(
          "experiments:\n  baseline: {}\n  dynamic_quantization: {granularity: [per_token, per_token]}\n")),
      HasSubstr("has per_token twice"));
  EXPECT_THAT(
      Problems(Plan("experiments:\n  baseline: {}\n  dynamic_quantization: {granularity: per_tokn}\n")),
      HasSubstr("did you mean per_token?"));
}

TEST(PlanTest, RunsAreLimited) {
  std::string seeds = "seeds: [0";
  for (int i = 1; i < 600; ++i) seeds += ", " + std::to_string(i);
  const PlanResult plan = Plan(seeds + "]\nexperiments: {baseline: {}, dynamic_quantization: {}}\n");
  EXPECT_THAT(Problems(plan), HasSubstr("this experiment makes 1201 runs; allowed: 1000"));
}

TEST(PlanTest, DisabledRunsAreLeftOut) {
  EXPECT_THAT(RunNames(Plan("experiments: {baseline: {}, dynamic_quantization: {enabled: false}}\n"
                            "evaluation: {metrics: [accuracy]}\n")),
              ElementsAre("baseline"));
}

TEST(PlanTest, ACheckpointThatIsFineTunedIsOnlyEvaluated) {
  const PlanResult plan =
      Plan("experiments: {baseline: {model: ./mine, fine_tune: false}}\ntraining: {epochs: 2}\n");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_FALSE(plan.runs[0].config.training.enabled);
  EXPECT_THAT(Problems(plan), HasSubstr("warning: training has no effect"));
  ASSERT_EQ(plan.required.size(), 1u);
  EXPECT_EQ(plan.required[0].path, "./mine");
}

TEST(PlanTest, ModelsOfAHubAreInputsThatTheClientProvides) {
  const auto plan = [](const std::string& model) {
    return Plan("experiments: {baseline: {model: \"" + model + "\"}}\n");
  };
  const PlanResult named = plan("hf:google/electra-small-discriminator@v1");
  ASSERT_TRUE(named.ok()) << Problems(named);
  ASSERT_EQ(named.required.size(), 1u);
  EXPECT_EQ(named.required[0].name, "hf:google/electra-small-discriminator@v1");
  EXPECT_EQ(named.required[0].path, named.required[0].name);
  const PlanResult bare = plan("roberta-base");
  ASSERT_EQ(bare.required.size(), 1u);
  EXPECT_EQ(bare.required[0].path, "hf:roberta-base");
  EXPECT_EQ(plan("bert-base-uncased").required[0].path, "models/bert-base-uncased")
      << "the catalogue comes first";
  EXPECT_THAT(Problems(plan("hf:../x")), HasSubstr("'hf:../x' is no name of a model on the hub"));
  EXPECT_THAT(Problems(plan("roberta-bas")), HasSubstr("roberta-bas"));
  EXPECT_FALSE(plan("roberta-bas").ok());
}

TEST(PlanTest, InputKeysFollowWhatDecidesTheResult) {
  const auto key = [](const std::string& text, size_t run) { return Plan(text).runs.at(run).input_key; };
  const std::string base = "experiments: {baseline: {}, dynamic_quantization: {}}\n";
  EXPECT_EQ(key(base, 0), key("name: other\npriority: 3\n" + base, 0));
  EXPECT_EQ(key(base, 1), key("evaluation: {latency: {min_samples: 99}}\n" + base, 1));
  EXPECT_NE(key(base, 0), key("seed: 43\n" + base, 0));
  EXPECT_NE(key(base, 1), key("training: {epochs: 7}\n" + base, 1));  // through the baseline's key
  EXPECT_NE(key(base, 1),
            key("experiments: {baseline: {}, dynamic_quantization: {reduce_range: true}}\n", 1));
  EXPECT_NE(key(base, 0), key(base, 1));
}

// Results in the databases of earlier versions are found by these keys.
TEST(PlanTest, InputKeysOfStoredExperimentsDoNotChange) {
  const std::string folder = QUANTLAB_SOURCE_DIR "/tests/golden/config/";
  const PlanResult plan = Plan(ReadWhole(folder + "input_keys.yaml"));
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  std::string keys = "# The input keys of input_keys.yaml and the names of its runs.\n";
  for (const PlannedRun& run : plan.runs) {
    if (!run.input_key.empty()) absl::StrAppend(&keys, run.input_key, "  ", run.config.run_name, "\n");
  }
  EXPECT_EQ(keys, ReadWhole(folder + "input_keys.txt"));
}

// The key of the last run of these experiments, with whatever else the file says.
std::string LastKey(const std::string& experiments, const std::string& rest) {
  const PlanResult plan = Plan(absl::StrCat("experiments: {baseline: {fine_tune: false}, ", experiments,
                                            "}\ndataset: {validation_size: 100}\n", rest));
  EXPECT_TRUE(plan.ok()) << Problems(plan);
  for (auto run = plan.runs.rbegin(); run != plan.runs.rend(); ++run) {
    if (!run->input_key.empty()) return run->input_key;
  }
  return "";
}

// Values of the setting that differ from its default, of which at least one fits the rest of a file.
std::vector<std::string> OtherValues(const SettingSpec& spec) {
  std::vector<std::string> values;
  if (spec.type == ParamType::kBool) values = {"true", "false"};
  if (spec.type == ParamType::kString)
    values = spec.allowed.empty() ? std::vector<std::string>{"1h"} : spec.allowed;
  for (const std::optional<double>& limit : {spec.max, spec.min}) {
    if (spec.type == ParamType::kInt) values.push_back(absl::StrCat(static_cast<int64_t>(*limit)));
    if (spec.type == ParamType::kDouble) values.push_back(ParamToString(*limit));
  }
  const std::string usual = SettingToString(spec, spec.default_value);
  values.erase(std::remove(values.begin(), values.end(), usual), values.end());
  if (spec.pairs) return {"{POS: positive}"};
  for (std::string& value : values) {
    if (spec.list) value = spec.type == ParamType::kString ? "[good, bad]" : absl::StrCat("[", value, "]");
  }
  return values;
}

// The input key of a run that reads everything: it trains on, calibrates, chooses by accuracy and by time.
std::string KeyWith(const SettingSpec& spec, const std::string& value) {
  const std::vector<std::string> parts = absl::StrSplit(spec.path(), '.');
  std::string text = "experiments: {baseline: {}, mixed_precision: {}}\n";
  if (parts[0] != "dataset") absl::StrAppend(&text, "dataset: {validation_size: 100}\n");
  absl::StrAppend(&text, absl::StrJoin(parts, ": {"), ": ", value);
  if (parts[0] == "dataset" && spec.key != "validation_size")
    absl::StrAppend(&text, ", validation_size: 100");
  absl::StrAppend(&text, std::string(parts.size() - 1, '}'), "\n");
  const PlanResult plan = Plan(text);
  return plan.ok() ? plan.runs[1].input_key : "";
}

TEST(PlanTest, ASettingIsPartOfTheInputKeyAsItsLineInTheTableSays) {
  const SettingSpec* const usual = FindSetting("priority");
  const std::string key = KeyWith(*usual, "0");
  ASSERT_FALSE(key.empty());
  int checked = 0;
  for (const SettingSpec& spec : AllSettings()) {
    if (spec.origin == SettingOrigin::kListed || spec.path() == "evaluation.metrics") continue;
    if (spec.path() == "dataset.task") continue;  // experiments with another task are refused
    std::string other;
    for (const std::string& value : OtherValues(spec)) {
      if (other.empty()) other = KeyWith(spec, value);
    }
    ASSERT_FALSE(other.empty()) << spec.path();
    EXPECT_EQ(other != key, spec.in_key != InInputKey::kNo) << spec.path();
    ++checked;
  }
  EXPECT_GT(checked, 30);
}

TEST(PlanTest, InputKeysFollowTheShapesThatAMethodMeasuresCostAt) {
  const auto changes = [](const std::string& experiments, const std::string& latency) {
    return LastKey(experiments, "") !=
           LastKey(experiments, absl::StrCat("evaluation: {latency: {", latency, "}}\n"));
  };
  EXPECT_TRUE(changes("mixed_precision: {}", "batch_sizes: [1]"));
  EXPECT_TRUE(changes("mixed_precision: {}", "sequence_lengths: [16]"));
  EXPECT_FALSE(changes("mixed_precision: {}", "min_samples: 99"));
  EXPECT_FALSE(changes("mixed_precision: {mode: whole}", "batch_sizes: [1]"));
  EXPECT_FALSE(changes("static_quantization: {}", "batch_sizes: [1]"));
}

TEST(PlanTest, InputKeysOfMethodsThatTrainFollowTheTrainingWithoutFineTuning) {
  const auto changes = [](const std::string& experiments, const std::string& training) {
    return LastKey(experiments, "") != LastKey(experiments, absl::StrCat("training: {", training, "}\n"));
  };
  for (const char* training : {"batch_size: 8", "warmup_ratio: 0.2", "weight_decay: 0.2", "dropout: false"}) {
    EXPECT_TRUE(changes("qat: {}", training)) << training;
    EXPECT_TRUE(changes("fp32_continued: {}", training)) << training;
    EXPECT_FALSE(changes("static_quantization: {}", training)) << training;
  }
}

TEST(PlanTest, TrainingWithoutFineTuningIsForMethodsThatTrain) {
  const auto problems = [](const std::string& experiments) {
    return Problems(Plan(absl::StrCat("experiments: {baseline: {fine_tune: false}, ", experiments,
                                      "}\ntraining: {epochs: 2, batch_size: 8}\n")));
  };
  EXPECT_THAT(problems("dynamic_quantization: {}"), HasSubstr("warning: training has no effect"));
  EXPECT_THAT(problems("fp32_continued: {}"),
              AllOf(HasSubstr("e.yaml:2:20: warning: training.epochs has no effect"),
                    HasSubstr("epochs of the further training is set under fp32_continued"),
                    Not(HasSubstr("training has no effect")), Not(HasSubstr("batch_size"))));
}

// The parameters of the first run of a method.
Params ParamsOf(const PlanResult& plan, const std::string& method) {
  for (const PlannedRun& run : plan.runs) {
    if (run.config.method.name == method) return run.config.method.params;
  }
  ADD_FAILURE() << "no run of " << method << ": " << Problems(plan);
  return {};
}

PlanResult PlanOf(const std::string& experiments) {
  return Plan(
      absl::StrCat("experiments:\n  baseline: {}\n", experiments, "evaluation: {metrics: [accuracy]}\n"));
}

TEST(PlanTest, TheControlTrainsAsItsMethodDoes) {
  const PlanResult plan = PlanOf("  qat: {epochs: 3, learning_rate: 1.0e-4}\n  fp32_continued: {}\n");
  EXPECT_EQ(ParamsOf(plan, "fp32_continued").at("epochs"), ParamValue(int64_t{3}));
  EXPECT_EQ(ParamsOf(plan, "fp32_continued").at("learning_rate"), ParamValue(1e-4));
  EXPECT_THAT(Problems(plan), IsEmpty());
  // Bits are nothing that the control has.
  const PlanResult sweep = PlanOf("  qat: {epochs: 3, weight_bits: [4, 8]}\n  fp32_continued: {}\n");
  EXPECT_EQ(ParamsOf(sweep, "fp32_continued").at("epochs"), ParamValue(int64_t{3}));
  EXPECT_THAT(Problems(sweep), IsEmpty());
}

TEST(PlanTest, AControlThatTrainsOtherwiseIsWarnedOf) {
  const PlanResult given = PlanOf("  qat: {epochs: 3}\n  fp32_continued: {epochs: 2}\n");
  EXPECT_TRUE(given.ok());
  EXPECT_EQ(ParamsOf(given, "fp32_continued").at("epochs"), ParamValue(int64_t{2}));
  EXPECT_THAT(Problems(given),
              AllOf(HasSubstr("e.yaml:4:3: warning: fp32_continued has epochs 2, but qat has 3"),
                    HasSubstr("leave epochs out")));
  const PlanResult sweep = PlanOf("  qat: {epochs: [1, 3]}\n  fp32_continued: {}\n");
  EXPECT_EQ(ParamsOf(sweep, "fp32_continued").at("epochs"), ParamValue(int64_t{1}));
  EXPECT_THAT(Problems(sweep), AllOf(HasSubstr("fp32_continued has epochs 1 (its default), but qat has 1, 3"),
                                     HasSubstr("give it epochs: [1, 3]")));
  EXPECT_THAT(Problems(PlanOf("  qat: {epochs: [1, 3]}\n  fp32_continued: {epochs: [3, 1]}\n")), IsEmpty());
}

TEST(PlanTest, TrainingFurtherWithoutAControlIsWarnedOf) {
  EXPECT_THAT(Problems(PlanOf("  qat: {}\n")), AllOf(HasSubstr("e.yaml:3:3: warning: qat has no control"),
                                                     HasSubstr("add fp32_continued: {} under experiments")));
  EXPECT_THAT(Problems(PlanOf("  fp32_continued: {}\n")), IsEmpty());
}

TEST(PlanTest, NumbersThatDifferInTheirLastDigitsAreDifferentRuns) {
  const PlanResult plan = PlanOf("  static_quantization: {percentile: [99.99999, 100]}\n");
  ASSERT_TRUE(plan.ok()) << Problems(plan);
  EXPECT_THAT(RunNames(plan), ElementsAre("baseline", "static_quantization.percentile-99.99999",
                                          "static_quantization.percentile-100"));
  EXPECT_NE(plan.runs[1].input_key, plan.runs[2].input_key);
}

TEST(PlanTest, VariantsOfOneNameAreRefused) {
  const PlanResult plan = Plan(
      "experiments:\n  baseline: {}\n  mixed_precision: {pin: [\"a=fp32\", \"a_fp32\"]}\n"
      "dataset: {validation_size: 100}\n");
  EXPECT_FALSE(plan.ok());
  EXPECT_THAT(
      Problems(plan),
      HasSubstr("e.yaml:3:3: two variants would both be named mixed_precision.pin-a_fp32: pin a=fp32 and "
                "pin a_fp32"));
}

TEST(PlanTest, ValidationTextsThatAMethodNeedsMustBeThere) {
  EXPECT_THAT(
      Problems(PlanOf("  mixed_precision: {}\n")),
      AllOf(HasSubstr(
                "e.yaml:3:3: mixed_precision reads validation examples, but dataset.validation_size is 0"),
            HasSubstr("give it, as in dataset: {validation_size: 1000}")));
  EXPECT_TRUE(PlanOf("  mixed_precision: {mode: whole}\n").ok());
  EXPECT_TRUE(PlanOf("  mixed_precision: {}\ndataset: {validation_size: 50}\n").ok());
}

PlanResult PlanWithFiles(const std::string& experiments, const std::vector<std::string>& paths,
                         bool needed = true) {
  ProvidedAsset dataset{"./data", {}};
  for (const std::string& path : paths) dataset.files.push_back({path, Sha256Hex(path), 10});
  std::vector<ProvidedAsset> inputs;
  if (!paths.empty()) inputs.push_back(std::move(dataset));
  return PlanExperiment({{{"e.yaml", absl::StrCat("experiments: {baseline: {dataset: ./data}, ", experiments,
                                                  "}\nevaluation: {metrics: [accuracy]}\n")}},
                         std::move(inputs),
                         {},
                         needed},
                        RealCatalog());
}

TEST(PlanTest, TextsMayComeFromTheDatasetsOwnFiles) {
  EXPECT_TRUE(PlanWithFiles("mixed_precision: {}", {"train.csv", "dev.csv"}).ok());
  EXPECT_THAT(Problems(PlanWithFiles("mixed_precision: {}", {"train.csv", "test.csv"})),
              HasSubstr("the dataset has no validation file"));
  // Before files are known only the worker can tell.
  EXPECT_TRUE(PlanWithFiles("mixed_precision: {}", {}, false).ok());
  EXPECT_THAT(
      Problems(PlanWithFiles("static_quantization: {}", {"test.csv"})),
      HasSubstr("static_quantization reads training examples, but the dataset has only files of held-out"));
  EXPECT_TRUE(PlanWithFiles("static_quantization: {}", {"my-test.csv"}).ok());
  EXPECT_TRUE(PlanWithFiles("weight_only: {algorithm: rtn}", {"test.csv"}).ok());
}

TEST(PlanTest, SeedsThatChangeNothingAreWarnedOf) {
  const auto problems = [](const std::string& fine_tune) {
    return Problems(Plan(absl::StrCat("seeds: [1, 2]\nexperiments: {baseline: {fine_tune: ", fine_tune,
                                      "}, dynamic_quantization: {}, static_quantization: {}}\n")));
  };
  EXPECT_THAT(
      problems("false"),
      AllOf(HasSubstr("e.yaml:1:8: warning: experiments.baseline.fine_tune is false, so every seed gives "
                      "the same result for baseline, dynamic_quantization: a deviation of 0 over 2 seeds"),
            Not(HasSubstr("static_quantization"))));
  EXPECT_THAT(problems("true"), IsEmpty());
}

TEST(PlanTest, TooMuchTextIsRefused) {
  EXPECT_THAT(Problems(Plan(std::string((1 << 20) + 1, '#'))),
              HasSubstr("allowed: 64 files with 1048576 bytes"));
  EXPECT_THAT(Problems(PlanExperiment({{}, {}, {}, false}, RealCatalog())), HasSubstr("no experiment file"));
}

TEST(PlanLimitsTest, ManyUnknownNamesInOnlyAreCounted) {
  std::vector<std::string> only;
  for (int i = 0; i < 1000; ++i) only.push_back(absl::StrCat("no_such_run_", i));
  const PlanResult result = Plan(kMinimal, only);
  EXPECT_FALSE(result.ok());
  EXPECT_LT(result.diagnostics.all().size(), 20u);
  EXPECT_THAT(Problems(result), HasSubstr("and 990 more unknown runs"));
}

TEST(PlanLimitsTest, ALongFileNameIsRefused) {
  const PlanResult result =
      PlanExperiment({{{std::string(1 << 20, 'n'), kMinimal}}, {}, {}, false}, RealCatalog());
  EXPECT_THAT(Problems(result), HasSubstr("the name of a file has 1048576 bytes"));
}

TEST(PlanLimitsTest, IncludingABigFileManyTimesIsRefusedSoon) {
  std::string list = "include: [";
  for (int i = 0; i < 250; ++i) list += "big.yaml, ";
  std::string big = "evaluation: {metrics: [x";
  for (int i = 0; i < 19'000; ++i) big += ",x";
  big += "]}\n";
  const PlanResult result =
      PlanExperiment({{{"e.yaml", list + "]\n"}, {"big.yaml", big}}, {}, {}, false}, RealCatalog());
  EXPECT_THAT(Problems(result), HasSubstr("in all files together"));
}

}  // namespace
}  // namespace quantlab
