#include "worker/engine/data/dataset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "base/config/task.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/list.h"
#include "model_folder/first_bytes.h"
#include "worker/engine/data/class_names.h"
#include "worker/engine/data/encoding.h"
#include "worker/engine/data/file_kind.h"
#include "worker/engine/data/file_util.h"
#include "worker/engine/data/readers.h"

namespace quantlab::engine {
namespace {

// More distinct labels than this are taken for a wrong label_column.
constexpr size_t kMaxClasses = 1000;
// Labels are names, in reports and as labels of metrics, which have at most 256 bytes.
constexpr size_t kMaxLabelBytes = 200;
// Of the numbers of a regression: their squared errors stay far within what FP32 can hold.
constexpr double kLargestNumber = 1e9;

std::optional<int64_t> ParseInteger(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of a message: names in a list, and bytes of each.
constexpr size_t kMaxListed = 20, kMaxShown = 60;

// Gathers rows of all files; labels become class indices once all are known.
class Collector {
 public:
  Collector(const DatasetConfig& config, const ReadLimits& limits)
      : config_(config), limits_(limits), numeric_(TaskNamed(config.task).numeric) {}

  RowSink Sink(const DataFile& file) {
    return {[this, part = file.part](const RawRow& row) { return Add(row, part); },
            [this](std::string note) { notes_.push_back(std::move(note)); }, [this] { ++empty_; },
            [this](int64_t count, const std::string& where) {
              if (undefined_ == 0) first_undefined_ = where;
              undefined_ += count;
            }};
  }

  absl::StatusOr<ExamplePool> Finish(DatasetSummary* summary);

 private:
  struct Pending {
    Example example;
    Part part;
    int label_text;  // index into label_texts_
  };

  absl::Status Add(const RawRow& row, Part part);
  absl::StatusOr<int> LabelText(const RawRow& row);
  static absl::StatusOr<double> LabelNumber(const RawRow& row);
  absl::Status CheckNumbers(DatasetSummary* summary) const;
  void Describe(const ExamplePool& pool, DatasetSummary* summary);
  std::vector<std::string> SortedLabels() const;

  const DatasetConfig& config_;
  const ReadLimits& limits_;
  const bool numeric_;
  std::vector<Pending> rows_;
  std::map<std::string, int> label_indices_;
  std::vector<std::string> label_texts_;
  std::vector<std::string> notes_;
  std::string first_undefined_;
  int64_t read_ = 0, filtered_ = 0, unlabelled_ = 0, empty_ = 0, undefined_ = 0;
};

absl::Status Collector::Add(const RawRow& row, Part part) {
  if (read_ >= limits_.max_rows) {
    return FileError(Where(row), 0, messages::kTooManyRows(limits_.max_rows),
                     absl::StatusCode::kResourceExhausted);
  }
  const int64_t number = read_++;
  if (!config_.filter_column.empty() && row.filter != config_.filter_value) {
    ++filtered_;
    return absl::OkStatus();
  }
  const std::string_view label = TrimBlanks(row.label);
  // Benchmarks publish a test split with secret labels in this form.
  if (part == Part::kTest && (label.empty() || (label == "-1" && !numeric_))) {
    ++unlabelled_;
    return absl::OkStatus();
  }
  Example example{std::string(row.text), 0, number, {}, {}};
  int label_text = 0;
  if (numeric_) {
    QL_ASSIGN_OR_RETURN(example.value, LabelNumber(row));
  } else {
    QL_ASSIGN_OR_RETURN(label_text, LabelText(row));
  }
  if (row.pair) example.pair = std::string(*row.pair);
  if (!rows_.empty() && row.pair.has_value() != rows_[0].example.pair.has_value()) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kPairsInSomeFiles(std::string(row.path)));
  }
  rows_.push_back({std::move(example), part, label_text});
  return absl::OkStatus();
}

// Checks a label against the given ones here, where file and line are known.
absl::StatusOr<int> Collector::LabelText(const RawRow& row) {
  const std::string label(TrimBlanks(row.label));
  if (label.empty()) return FileError(Where(row), 0, messages::kLabelEmpty());
  if (label.size() > kMaxLabelBytes) {
    return FileError(Where(row), 0,
                     messages::kLabelTooLong(static_cast<int64_t>(label.size()), Shorten(label, kMaxShown),
                                             static_cast<int64_t>(kMaxLabelBytes), config_.label_column));
  }
  const auto known = label_indices_.find(label);
  if (known != label_indices_.end()) return known->second;
  int value = static_cast<int>(label_texts_.size());
  if (!config_.labels.empty()) {
    const auto name = std::find_if(config_.labels.begin(), config_.labels.end(),
                                   [&label](const std::string& given) { return TrimBlanks(given) == label; });
    const std::optional<int64_t> index = ParseInteger(label);
    const auto count = static_cast<int64_t>(config_.labels.size());
    if (name != config_.labels.end()) {
      value = static_cast<int>(name - config_.labels.begin());
    } else if (index.has_value() && *index >= 0 && *index < count) {
      value = static_cast<int>(*index);
    } else {
      return FileError(
          Where(row), 0,
          messages::kLabelUnknown(Shorten(label, kMaxShown), FirstOf(config_.labels, kMaxListed), count - 1));
    }
  } else if (label_texts_.size() >= kMaxClasses) {
    return FileError(Where(row), 0,
                     messages::kTooManyLabels(static_cast<int64_t>(kMaxClasses), config_.label_column));
  } else {
    label_texts_.push_back(label);
  }
  label_indices_.emplace(label, value);
  return value;
}

absl::StatusOr<double> Collector::LabelNumber(const RawRow& row) {
  const std::string label(TrimBlanks(row.label));
  if (label.empty()) return FileError(Where(row), 0, messages::kLabelEmpty());
  double value = 0;
  if (absl::SimpleAtod(label, &value) && std::abs(value) <= kLargestNumber) return value;
  return FileError(Where(row), 0, messages::kLabelIsNoNumber(Shorten(label, kMaxShown)));
}

// A regression of one number has nothing to learn, and no correlation.
absl::Status Collector::CheckNumbers(DatasetSummary* summary) const {
  if (rows_.empty()) return absl::OkStatus();
  summary->lowest = summary->highest = *rows_[0].example.value;
  for (const Pending& row : rows_) {
    summary->lowest = std::min(summary->lowest, *row.example.value);
    summary->highest = std::max(summary->highest, *row.example.value);
  }
  if (summary->lowest < summary->highest) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kLabelsAllEqual(RoundTrip(summary->lowest)));
}

// By number where all are integers, else by bytes.
std::vector<std::string> Collector::SortedLabels() const {
  std::vector<std::string> labels = label_texts_;
  const bool numbers = std::all_of(labels.begin(), labels.end(),
                                   [](const std::string& l) { return ParseInteger(l).has_value(); });
  std::sort(labels.begin(), labels.end(), [numbers](const std::string& a, const std::string& b) {
    if (numbers && *ParseInteger(a) != *ParseInteger(b)) return *ParseInteger(a) < *ParseInteger(b);
    return a < b;
  });
  return labels;
}

absl::StatusOr<ExamplePool> Collector::Finish(DatasetSummary* summary) {
  ExamplePool pool;
  if (numeric_) {
    QL_RETURN_IF_ERROR(CheckNumbers(summary));
    // What transformers calls the one output of a regression.
    pool.labels = {"LABEL_0"};
  } else {
    pool.labels = config_.labels.empty() ? SortedLabels() : config_.labels;
  }
  if (!numeric_ && config_.labels.empty() && pool.labels.size() == 1) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kOneClassOnly(Shorten(pool.labels[0], kMaxShown)));
  }
  std::vector<int> class_of(label_texts_.size());
  for (size_t i = 0; i < label_texts_.size(); ++i) {
    const auto at = std::find(pool.labels.begin(), pool.labels.end(), label_texts_[i]);
    class_of[i] = static_cast<int>(at - pool.labels.begin());
  }
  for (Pending& row : rows_) {
    if (!numeric_) {
      row.example.label =
          config_.labels.empty() ? class_of[static_cast<size_t>(row.label_text)] : row.label_text;
    }
    auto& part = row.part == Part::kTest         ? pool.official_test
                 : row.part == Part::kValidation ? pool.official_validation
                                                 : pool.rows;
    part.push_back(std::move(row.example));
  }
  Describe(pool, summary);
  return pool;
}

void Collector::Describe(const ExamplePool& pool, DatasetSummary* summary) {
  summary->rows_read = read_;
  summary->rows_filtered = filtered_;
  summary->rows_empty = empty_;
  summary->notes = std::move(notes_);
  if (empty_ > 0) summary->notes.push_back(absl::StrCat(empty_, " rows without any value were skipped."));
  if (unlabelled_ > 0)
    summary->notes.push_back(absl::StrCat(unlabelled_, " test rows without a label were left out."));
  if (undefined_ > 0) {
    summary->caveats.push_back(messages::kUndefinedCharacters(undefined_, first_undefined_));
  }
  if (std::vector<std::string> alike = LookAlikes(pool.labels); !alike.empty()) {
    alike.resize(std::min(alike.size(), kMaxListed));
    summary->caveats.push_back(messages::kLabelsLookAlike(alike));
  }
}

struct Source {
  const DatasetFormat* format = nullptr;
  std::vector<DataFile> files;
};

std::vector<std::string> FormatNames() {
  std::vector<std::string> names = {"auto"};
  for (const auto& format : AllFormats()) names.emplace_back(format->name());
  return names;
}

// A file that no format reads may say why by its first bytes.
absl::Status CheckMayBeText(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const std::string first, ReadFirstBytes(path));
  const Message why = WhyNotText(first);
  return why.empty() ? absl::OkStatus() : FileError(path, 0, why);
}

absl::StatusOr<Source> FindSource(const DatasetConfig& config, const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kDatasetMissing(folder));
  }
  std::vector<Source> found;
  const bool any = config.format == "auto" || config.format.empty();
  bool known = any;
  for (const auto& format : AllFormats()) {
    if (!any && config.format != format->name()) continue;
    known = true;
    QL_ASSIGN_OR_RETURN(std::vector<DataFile> files, format->Find(folder, /*chosen=*/!any));
    if (!files.empty()) found.push_back({format.get(), std::move(files)});
  }
  if (!known) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kDatasetFormatUnknown(config.format, FormatNames()));
  }
  if (found.size() == 1) return std::move(found[0]);
  if (found.empty()) {
    QL_RETURN_IF_ERROR(CheckMayBeText(folder));
    return MessageStatus(absl::StatusCode::kNotFound,
                         messages::kDatasetFormatAbsent(folder, any ? "auto" : config.format));
  }
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kDatasetFormatAmbiguous(folder, std::string(found[0].format->name()),
                                                         std::string(found[1].format->name())));
}

// The encoding to read in: what the configuration names, or what the files look like.
absl::StatusOr<std::string> ResolveEncoding(const std::string& encoding, const Source& source,
                                            const std::string& folder, const ReadLimits& limits) {
  QL_RETURN_IF_ERROR(CheckEncodingName(encoding));
  if (absl::AsciiStrToLower(encoding) != "auto") return encoding;
  EncodingGuess guess;
  for (const DataFile& file : source.files) {
    for (const std::string& path : source.format->TextFiles(file)) {
      QL_ASSIGN_OR_RETURN(const std::string content, ReadBytes(path, limits.max_file_bytes));
      guess.Add(content);
    }
  }
  if (!guess.Name().empty()) return guess.Name();
  return absl::InvalidArgumentError(
      absl::StrCat("dataset ", folder,
                   ": its encoding could not be guessed; set dataset.encoding to it, or save it as UTF-8"));
}

// Counts the bytes of rows against those of the files that hold them.
class BytesRead {
 public:
  BytesRead(const Source& source, const ReadProgress& progress) : progress_(progress) {
    if (!progress_) return;
    for (const DataFile& file : source.files) {
      int64_t bytes = 0;
      for (const std::string& path : source.format->TextFiles(file)) {
        std::error_code error;
        const auto size = std::filesystem::file_size(path, error);
        if (!error) bytes += static_cast<int64_t>(size);
      }
      ends_.push_back(total_ += bytes);
    }
  }

  absl::Status Row(const RawRow& row) {
    done_ += static_cast<int64_t>(row.text.size() + row.label.size() + row.pair.value_or("").size());
    return done_ < next_ ? absl::OkStatus() : Report();
  }

  // What rows do not hold, such as separators and other columns, counts when its file has been read.
  absl::Status EndFile(size_t file) {
    if (progress_) done_ = ends_[file];
    return Report();
  }

 private:
  static constexpr int64_t kBetween = 256 << 10;

  absl::Status Report() {
    next_ = done_ + kBetween;
    if (!progress_ || progress_(std::min(done_, total_), total_)) return absl::OkStatus();
    return MessageStatus(absl::StatusCode::kCancelled,
                         messages::kStopped(messages::kReadingDataset(), std::min(done_, total_), total_));
  }

  const ReadProgress& progress_;
  std::vector<int64_t> ends_;  // of each file, from the first byte of the first
  int64_t total_ = 0, done_ = 0, next_ = kBetween;
};

// What reading found, into what dividing found.
void Combine(DatasetSummary read, DatasetSummary* total) {
  total->rows_read = read.rows_read;
  total->rows_filtered = read.rows_filtered;
  total->rows_empty = read.rows_empty;
  total->encoding = std::move(read.encoding);
  total->class_rows = std::move(read.class_rows);
  total->lowest = read.lowest;
  total->highest = read.highest;
  total->notes.insert(total->notes.begin(), read.notes.begin(), read.notes.end());
  total->caveats = std::move(read.caveats);
}

std::vector<int64_t> CountClasses(const ExamplePool& pool) {
  std::vector<int64_t> rows(pool.labels.size());
  for (const auto* part : {&pool.rows, &pool.official_validation, &pool.official_test}) {
    for (const Example& example : *part) ++rows[static_cast<size_t>(example.label)];
  }
  return rows;
}

}  // namespace

absl::StatusOr<Dataset> LoadDataset(const DatasetConfig& given, const std::string& folder,
                                    const ReadProgress& progress) {
  QL_ASSIGN_OR_RETURN(const Source source, FindSource(given, folder));
  const ReadLimits limits;
  DatasetConfig config = given;
  QL_ASSIGN_OR_RETURN(config.encoding, ResolveEncoding(given.encoding, source, folder, limits));
  Collector collector(config, limits);
  BytesRead bytes(source, progress);
  for (size_t i = 0; i < source.files.size(); ++i) {
    RowSink sink = collector.Sink(source.files[i]);
    sink.row = [&bytes, add = std::move(sink.row)](const RawRow& row) {
      QL_RETURN_IF_ERROR(add(row));
      return bytes.Row(row);
    };
    QL_RETURN_IF_ERROR(source.format->Read(source.files[i], config, limits, sink));
    QL_RETURN_IF_ERROR(bytes.EndFile(i));
  }
  DatasetSummary summary;
  QL_ASSIGN_OR_RETURN(ExamplePool pool, collector.Finish(&summary));
  if (pool.rows.empty() && pool.official_validation.empty() && pool.official_test.empty()) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kDatasetEmpty(folder, summary.rows_read, summary.rows_filtered));
  }
  summary.encoding = config.encoding.empty() ? "UTF-8" : config.encoding;
  if (config.encoding != given.encoding)
    summary.caveats.push_back(messages::kEncodingGuessed(config.encoding));
  summary.class_rows = CountClasses(pool);
  if (pool.official_test.empty() && !pool.official_validation.empty()) {
    pool.official_test = std::move(pool.official_validation);
    pool.official_validation.clear();
    summary.notes.push_back(
        "The dataset's validation split is the test split: it has no labelled test split.");
  }
  absl::StatusOr<Dataset> dataset = MakeSplits(std::move(pool), config);
  if (!dataset.ok()) return Annotate(dataset.status(), absl::StrCat("dataset ", folder));
  dataset->format = std::string(source.format->name());
  dataset->numeric = TaskNamed(config.task).numeric;
  Combine(std::move(summary), &dataset->summary);
  return dataset;
}

absl::Status AlignClasses(const std::vector<std::string>& model, const std::vector<std::string>& label_map,
                          Dataset* dataset) {
  QL_ASSIGN_OR_RETURN(const std::vector<int> matched, MatchClasses(model, dataset->labels, label_map));
  std::vector<int> class_of(matched.size());  // by the dataset's own index
  const std::vector<std::string> labels = dataset->labels;
  const std::vector<int64_t> rows = dataset->summary.class_rows;
  for (size_t i = 0; i < matched.size(); ++i) {
    const auto own = static_cast<size_t>(matched[i]);
    class_of[own] = static_cast<int>(i);
    dataset->labels[i] = labels[own];
    if (own < rows.size()) dataset->summary.class_rows[i] = rows[own];
  }
  for (auto* split : {&dataset->train, &dataset->validation, &dataset->test}) {
    for (Example& example : *split) example.label = class_of[static_cast<size_t>(example.label)];
  }
  return absl::OkStatus();
}

}  // namespace quantlab::engine
