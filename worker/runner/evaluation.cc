#include "worker/runner/evaluation.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/files.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/metric_spec.h"
#include "base/numbers.h"
#include "base/paired_margin.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/list.h"
#include "worker/engine/input_checks/input_checks.h"
#include "worker/engine/measure/statistics.h"
#include "worker/engine/train/evaluate.h"

namespace quantlab::runner {
namespace {

// Of a message: entries of a list.
constexpr size_t kMaxListed = 20;
constexpr int64_t kMaxPredictionsBytes = int64_t{1} << 30;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Metric QualityMetric(const char* name, double value, const std::string& split, int64_t samples) {
  Metric metric;
  metric.name = name;
  metric.value = value;
  metric.unit = std::string("1");
  metric.labels = {{"split", split}};
  metric.samples = samples;
  return metric;
}

void RecordScores(Attempt& attempt, const statistics::ClassScores& scores, const std::string& average,
                  const std::string& split, int64_t samples) {
  const std::pair<const char*, double> values[] = {
      {"precision", scores.precision}, {"recall", scores.recall}, {"f1_score", scores.f1}};
  for (const auto& [name, value] : values) {
    Metric metric = QualityMetric(name, value, split, samples);
    metric.labels["average"] = average;
    attempt.Record(std::move(metric));
  }
}

absl::Status RecordQuality(Attempt& attempt, const Evaluation& evaluation, int classes) {
  QL_ASSIGN_OR_RETURN(const statistics::Classification scores,
                      statistics::ScoreClassification(evaluation.labels, evaluation.predicted, classes));
  const statistics::Interval interval = statistics::WilsonInterval(scores.correct, scores.total);
  Metric accuracy = QualityMetric("accuracy", scores.accuracy, evaluation.split, scores.total);
  accuracy.low = interval.low;
  accuracy.high = interval.high;
  attempt.Record(std::move(accuracy));
  if (attempt.config().kind == RunKind::kBaseline && evaluation.split == "test" &&
      interval.high < 1.0 / classes) {
    attempt.Warn("below_chance", messages::kBelowChance(scores.accuracy, classes));
  }
  if (scores.binary) RecordScores(attempt, *scores.binary, "binary", evaluation.split, scores.total);
  RecordScores(attempt, scores.macro, "macro", evaluation.split, scores.total);
  for (const MetricSpec& metric : AllMetrics()) {
    if (metric.of_answers == nullptr) continue;
    const double value = metric.of_answers({evaluation.labels, evaluation.predicted, classes});
    Metric recorded = QualityMetric(metric.name.c_str(), value, evaluation.split, scores.total);
    recorded.unit = metric.unit;
    attempt.Record(std::move(recorded));
  }
  return absl::OkStatus();
}

// Whether a loss by the margin, which was declared beforehand, or more is excluded.
void RecordNonInferiority(Attempt& attempt, const PairedAnswers& answers, const std::string& split) {
  const double margin = attempt.config().evaluation.non_inferiority_margin;
  const double p = NonInferiorityPValue(answers, margin);
  for (const auto& [name, value] :
       {std::pair{"non_inferiority_p_value", p}, {"non_inferior", p <= kNonInferiorityError ? 1.0 : 0.0}}) {
    Metric metric = QualityMetric(name, value, split, answers.total);
    metric.labels["margin"] = RoundTrip(margin);
    attempt.Record(std::move(metric));
  }
}

// Counts the texts whose class changed, by direction.
void RecordFlips(Attempt& attempt, const Evaluation& evaluation, const std::vector<int>& baseline) {
  std::map<std::string, int64_t> flips = {
      {"right_to_wrong", 0}, {"wrong_to_right", 0}, {"wrong_to_wrong", 0}};
  for (size_t i = 0; i < baseline.size(); ++i) {
    const int before = baseline[i], after = evaluation.predicted[i], label = evaluation.labels[i];
    if (before == after) continue;
    ++flips[before == label ? "right_to_wrong" : after == label ? "wrong_to_right" : "wrong_to_wrong"];
  }
  for (const auto& [direction, count] : flips) {
    Metric metric = QualityMetric("label_flips", static_cast<double>(count), evaluation.split,
                                  static_cast<int64_t>(baseline.size()));
    metric.labels["direction"] = direction;
    attempt.Record(std::move(metric));
  }
}

void DescribeSplits(Attempt& attempt, const engine::Dataset& data) {
  const engine::DatasetSummary& s = data.summary;
  attempt.Log(absl::StrCat("dataset ", attempt.config().dataset.asset.name, " (", data.format, ", ",
                           s.encoding, "): ", s.rows_read, " rows; train ", data.train.size(),
                           ", validation ", data.validation.size(), ", test ", data.test.size(),
                           s.official_test ? " (official test split)" : "", "; filtered ", s.rows_filtered,
                           ", duplicates ", s.duplicates_dropped, ", conflicting ", s.conflicts_dropped,
                           ", leaked ", s.leaked_dropped));
  std::vector<std::string> classes;
  for (size_t i = 0; i < data.labels.size(); ++i) {
    classes.push_back(absl::StrCat(data.labels[i], " (", s.class_rows[i], ")"));
  }
  attempt.Log(absl::StrCat(data.labels.size(), " classes with their rows: ", SomeOf(classes, kMaxListed)));
  for (const std::string& note : s.notes) attempt.Log(note);
  for (const Message& caveat : s.caveats) {
    const std::string code = caveat.code.substr(caveat.code.find('.') + 1);
    attempt.Warn(code, caveat);
  }
  if (s.unused > 0) {
    const auto count = [](const std::vector<engine::Example>& split) {
      return static_cast<int64_t>(split.size());
    };
    attempt.Warn("subset",
                 messages::kSubset(count(data.train), count(data.validation), count(data.test), s.unused));
  }
}

// Detects a tokenizer of another language or model by its share of unknown words. WordPiece's pieces that
// continue a word ("##ing") are not counted as words.
void WarnAboutUnknownWords(Attempt& attempt, const engine::Tokenizer& tokenizer,
                           const std::vector<engine::TokenizedText>& texts) {
  constexpr double kMuch = 0.2;
  int64_t unknown = 0, words = 0;
  for (const engine::TokenizedText& text : texts) {
    for (const int32_t id : text.ids) {
      if (id == tokenizer.cls_id() || id == tokenizer.sep_id()) continue;
      unknown += id == tokenizer.unk_id();
      words += !absl::StartsWith(tokenizer.TokenText(id), "##");
    }
  }
  const double share = static_cast<double>(unknown) / static_cast<double>(std::max<int64_t>(words, 1));
  if (share <= kMuch) return;
  attempt.Warn("unknown_words", messages::kUnknownWords(share));
}

}  // namespace

absl::StatusOr<engine::Dataset> ReadDataset(Attempt& attempt) {
  const Message phase = messages::kReadingDataset();
  attempt.Report(phase, 0, 0, "byte");
  QL_ASSIGN_OR_RETURN(engine::Dataset data,
                      engine::LoadDataset(attempt.config().dataset, attempt.job().dataset_folder,
                                          [&](int64_t done, int64_t total) {
                                            return attempt.Report(phase, done, total, "byte");
                                          }));
  DescribeSplits(attempt, data);
  return data;
}

absl::StatusOr<engine::LabelledTexts> TokenizeExamples(Attempt& attempt, const engine::Tokenizer& tokenizer,
                                                       const std::vector<engine::Example>& examples,
                                                       const std::string& what) {
  engine::LabelledTexts data;
  const int64_t total = static_cast<int64_t>(examples.size());
  const Message phase = messages::kTokenizing(what);
  for (const engine::Example& example : examples) {
    data.texts.push_back({tokenizer.Encode(example.text, attempt.config().dataset.max_length), {}});
    data.labels.push_back(example.label);
    if (!attempt.Report(phase, static_cast<int64_t>(data.texts.size()), total, "text")) {
      return MessageStatus(absl::StatusCode::kCancelled,
                           messages::kStopped(phase, static_cast<int64_t>(data.texts.size()), total));
    }
  }
  return data;
}

absl::StatusOr<std::unique_ptr<engine::Tokenizer>> LoadTokenizer(const std::string& folder,
                                                                 const engine::EncoderConfig& config,
                                                                 int max_length) {
  QL_ASSIGN_OR_RETURN(auto tokenizer, engine::Tokenizer::Load(folder));
  QL_RETURN_IF_ERROR(engine::CheckTokenizer(*tokenizer, config, folder, max_length));
  return tokenizer;
}

absl::StatusOr<Evaluation> Evaluate(Attempt& attempt, engine::Encoder& model,
                                    const engine::Tokenizer& tokenizer,
                                    const std::vector<engine::Example>& examples, const std::string& split,
                                    const std::string& digest) {
  QL_ASSIGN_OR_RETURN(engine::LabelledTexts data,
                      TokenizeExamples(attempt, tokenizer, examples, split + " texts"));
  if (attempt.config().kind == RunKind::kBaseline && split == "test") {
    WarnAboutUnknownWords(attempt, tokenizer, data.texts);
  }
  Evaluation evaluation;
  evaluation.split = split;
  evaluation.digest = digest;
  evaluation.labels = std::move(data.labels);
  const Message phase = messages::kEvaluating(split);
  const auto start = std::chrono::steady_clock::now();
  QL_ASSIGN_OR_RETURN(evaluation.logits,
                      engine::PredictLogits(model, data.texts, attempt.config().evaluation.batch_size,
                                            [&](int64_t done, int64_t total) {
                                              return attempt.Report(phase, done, total, "text");
                                            }));
  Metric time{"evaluation_time", SecondsSince(start), "s", {{"split", split}}, 0, {}, {}, 0};
  for (const std::vector<float>& logits : evaluation.logits) {
    if (std::any_of(logits.begin(), logits.end(), [](float v) { return !std::isfinite(v); })) {
      return MessageStatus(
          absl::StatusCode::kFailedPrecondition,
          messages::kLogitNotFinite(static_cast<int64_t>(evaluation.predicted.size()), split));
    }
    evaluation.predicted.push_back(engine::Argmax(logits));
  }
  QL_RETURN_IF_ERROR(RecordQuality(attempt, evaluation, static_cast<int>(model.config().num_labels())));
  attempt.Record(std::move(time));
  return evaluation;
}

absl::StatusOr<std::vector<int>> PredictClasses(Attempt& attempt, engine::Encoder& model,
                                                const engine::Tokenizer& tokenizer,
                                                const std::vector<engine::Example>& examples,
                                                const Message& phase) {
  QL_ASSIGN_OR_RETURN(const engine::LabelledTexts data,
                      TokenizeExamples(attempt, tokenizer, examples, "test texts"));
  QL_ASSIGN_OR_RETURN(const auto logits,
                      engine::PredictLogits(model, data.texts, attempt.config().evaluation.batch_size,
                                            [&](int64_t done, int64_t total) {
                                              return attempt.Report(phase, done, total, "text");
                                            }));
  std::vector<int> classes;
  for (const std::vector<float>& row : logits) classes.push_back(engine::Argmax(row));
  return classes;
}

absl::Status AlignWithModel(Attempt& attempt, const std::string& model_folder, engine::Dataset* data) {
  QL_ASSIGN_OR_RETURN(const engine::EncoderConfig config,
                      engine::ReadModelConfig(absl::StrCat(model_folder, "/config.json")));
  const absl::Status aligned = engine::AlignClasses(config.labels, attempt.config().dataset.label_map, data);
  return aligned.ok() ? aligned : Annotate(aligned, model_folder);
}

absl::Status WritePredictions(Attempt& attempt, const Evaluation& evaluation,
                              const engine::Dataset& dataset) {
  std::string csv = "row,label,predicted";
  for (const std::string& label : dataset.labels) absl::StrAppend(&csv, ",", CsvField("logit_" + label));
  csv += "\n";
  for (size_t i = 0; i < evaluation.labels.size(); ++i) {
    absl::StrAppend(&csv, dataset.test[i].row, ",", CsvField(dataset.labels[evaluation.labels[i]]), ",",
                    CsvField(dataset.labels[evaluation.predicted[i]]));
    for (float logit : evaluation.logits[i]) absl::StrAppend(&csv, ",", RoundTrip(logit));
    csv += "\n";
  }
  return attempt.WriteArtifact("predictions.csv", csv);
}

absl::Status SaveTestPredictions(const Evaluation& evaluation, int max_length,
                                 const std::string& model_folder) {
  const nlohmann::ordered_json json = {{"version", 1},
                                       {"split", evaluation.split},
                                       {"digest", evaluation.digest},
                                       {"max_length", max_length},
                                       {"labels", evaluation.labels},
                                       {"predicted", evaluation.predicted}};
  return WriteFileAtomically(absl::StrCat(model_folder, "/", kTestPredictionsFile), json.dump() + "\n");
}

absl::StatusOr<TestPredictions> ReadTestPredictions(const std::string& model_folder) {
  const std::string path = absl::StrCat(model_folder, "/", kTestPredictionsFile);
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxPredictionsBytes));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto damaged = [&path] {
    return absl::InvalidArgumentError(absl::StrCat(path, ": damaged, or of another version"));
  };
  const auto text_of = [&json](const char* key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
  };
  if (!json.is_object() || json.value("version", nlohmann::json()) != 1) return damaged();
  TestPredictions predictions;
  predictions.split = text_of("split");
  predictions.digest = text_of("digest");
  const nlohmann::json max_length = json.value("max_length", nlohmann::json());
  if (!max_length.is_number_integer() || predictions.digest.empty()) return damaged();
  predictions.max_length = max_length.get<int>();
  for (const auto& [key, values] :
       {std::pair{"predicted", &predictions.predicted}, std::pair{"labels", &predictions.labels}}) {
    for (const auto& value : json.value(key, nlohmann::json::array())) {
      if (!value.is_number_integer()) return damaged();
      values->push_back(value.get<int>());
    }
  }
  // Files of earlier versions have no labels.
  if (!predictions.labels.empty() && predictions.labels.size() != predictions.predicted.size()) {
    return damaged();
  }
  return predictions;
}

absl::StatusOr<std::vector<int>> LoadTestPredictions(const Evaluation& same_split, int max_length,
                                                     const std::string& model_folder) {
  QL_ASSIGN_OR_RETURN(TestPredictions saved, ReadTestPredictions(model_folder));
  const std::string path = absl::StrCat(model_folder, "/", kTestPredictionsFile);
  if (saved.digest != same_split.digest || saved.max_length != max_length) {
    return absl::NotFoundError(absl::StrCat(path, ": of other texts"));
  }
  if (saved.predicted.size() != same_split.predicted.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": damaged: ", saved.predicted.size(), " predictions"));
  }
  return std::move(saved.predicted);
}

absl::Status RecordPaired(Attempt& attempt, const Evaluation& evaluation, const std::vector<int>& baseline) {
  QL_ASSIGN_OR_RETURN(const statistics::McNemar test,
                      statistics::CompareModels(evaluation.labels, baseline, evaluation.predicted));
  const int64_t total = static_cast<int64_t>(baseline.size());
  int64_t same = 0;
  for (size_t i = 0; i < baseline.size(); ++i) same += baseline[i] == evaluation.predicted[i];
  Metric agreement = QualityMetric("agreement", static_cast<double>(same) / static_cast<double>(total),
                                   evaluation.split, total);
  const statistics::Interval wilson = statistics::WilsonInterval(same, total);
  agreement.low = wilson.low;
  agreement.high = wilson.high;
  attempt.Record(std::move(agreement));
  Metric difference =
      QualityMetric("accuracy_difference",
                    static_cast<double>(test.only_second - test.only_first) / static_cast<double>(total),
                    evaluation.split, total);
  const statistics::Interval paired =
      statistics::PairedDifferenceInterval(test.only_first, test.only_second, total);
  difference.low = paired.low;
  difference.high = paired.high;
  attempt.Record(std::move(difference));
  RecordNonInferiority(attempt, {test.only_first, test.only_second, total}, evaluation.split);
  RecordFlips(attempt, evaluation, baseline);
  attempt.Record(
      QualityMetric("mcnemar_p_value", test.p_value, evaluation.split, test.only_first + test.only_second));
  return absl::OkStatus();
}

}  // namespace quantlab::runner
