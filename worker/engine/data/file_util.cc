#include "worker/engine/data/file_util.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "base/config/run_config.h"
#include "base/config/task.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/list.h"
#include "worker/engine/data/class_names.h"
#include "worker/engine/data/encoding.h"
#include "worker/engine/data/file_kind.h"

namespace quantlab::engine {
namespace {

namespace fs = std::filesystem;

// Of a message: names in a list, and bytes of each.
constexpr size_t kMaxListed = 10, kMaxShown = 60;

std::string LowerExtension(const std::string& name) {
  return absl::AsciiStrToLower(fs::path(name).extension().string());
}

Part PartOf(const std::string& name) {
  const std::string split = SplitNamedBy(name);
  if (split == "train") return Part::kTrain;
  if (split == "validation") return Part::kValidation;
  if (split == "test") return Part::kTest;
  return Part::kUnsplit;
}

// A single file is a split only where its name is that of the split: "my-test.csv" is a whole dataset.
bool IsWholeDataset(const DataFile& file) {
  const std::string stem = fs::path(file.path).stem().string();
  return stem.find_first_of("-_.") != std::string::npos;
}

// Position of `name`, of the only one that differs from it in case or blanks, or of one of its usual other
// names.
absl::StatusOr<std::optional<size_t>> FindColumn(const std::vector<std::string>& present,
                                                 const std::string& name,
                                                 const std::vector<std::string>& others,
                                                 const std::string& path, const RowSink& sink) {
  const auto count = std::count(present.begin(), present.end(), name);
  if (count > 1) return FileError(path, 1, messages::kColumnTwice(name));
  const auto at = std::find(present.begin(), present.end(), name);
  if (at != present.end()) return std::optional<size_t>(static_cast<size_t>(at - present.begin()));
  const auto alike = [&name](const std::string& column) {
    return SameClassName(std::string(TrimBlanks(column)), name);
  };
  if (std::count_if(present.begin(), present.end(), alike) == 1) {
    const auto found = std::find_if(present.begin(), present.end(), alike);
    sink.note(absl::StrCat(path, " has no column \"", name, "\"; \"", *found, "\" was taken for it"));
    return std::optional<size_t>(static_cast<size_t>(found - present.begin()));
  }
  for (const std::string& other : others) {
    if (std::count(present.begin(), present.end(), other) != 1) continue;
    sink.note(absl::StrCat(path, " has no column \"", name, "\"; \"", other, "\" was taken for it"));
    return std::optional<size_t>(
        static_cast<size_t>(std::find(present.begin(), present.end(), other) - present.begin()));
  }
  return std::optional<size_t>();
}

// The columns of a well-known dataset of pairs: the two texts, and the label where it is not called "label".
// Source: the headers of the files at https://gluebenchmark.com/tasks (RTE and WNLI; MNLI; QNLI; MRPC; QQP)
// and of SNLI and MNLI in JSON.
struct PairColumns {
  const char *first, *second, *label;
};
constexpr PairColumns kPairColumns[] = {{"sentence1", "sentence2", "gold_label"},
                                        {"question", "sentence", nullptr},
                                        {"#1 String", "#2 String", "Quality"},
                                        {"question1", "question2", "is_duplicate"},
                                        {"premise", "hypothesis", "gold_label"}};

// What STS-B calls its label, a number.
constexpr char kPairScore[] = "score";

bool Has(const std::vector<std::string>& present, const std::string& name) {
  return std::find(present.begin(), present.end(), name) != present.end();
}

// The columns of a well-known dataset of pairs, where the file has them and the configuration names no text
// column of its own.
DatasetConfig WithWellKnownPair(const std::vector<std::string>& present, const std::string& path,
                                const DatasetConfig& config, const RowSink& sink) {
  DatasetConfig named = config;
  if (config.text_column != DatasetConfig().text_column || Has(present, config.text_column)) return named;
  for (const PairColumns& columns : kPairColumns) {
    if (!Has(present, columns.first) || !Has(present, columns.second)) continue;
    if (!config.text_pair_column.empty() && config.text_pair_column != columns.second) continue;
    sink.note(
        absl::StrCat(path, " has pairs of texts: \"", columns.first, "\" and \"", columns.second, "\""));
    named.text_column = columns.first;
    named.text_pair_column = columns.second;
    const bool own_label =
        config.label_column != DatasetConfig().label_column || Has(present, config.label_column);
    const char* const label = TaskNamed(config.task).numeric ? kPairScore : columns.label;
    if (!own_label && label != nullptr && Has(present, label)) named.label_column = label;
    return named;
  }
  return named;
}

std::vector<std::string> OtherTexts(const DatasetConfig& config) {
  const bool is_default = config.text_column == DatasetConfig().text_column;
  return is_default ? std::vector<std::string>{"sentence", "review"} : std::vector<std::string>{};
}

std::vector<std::string> OtherLabels(const DatasetConfig& config) {
  if (config.label_column != DatasetConfig().label_column) return {};
  return {"sentiment"};
}

absl::Status NoColumn(const std::string& path, const std::string& role, const std::string& name,
                      const std::vector<std::string>& present) {
  std::vector<std::string> shown;
  for (const std::string& column : FirstOf(present, kMaxListed)) shown.push_back(Shorten(column, kMaxShown));
  return FileError(path, 1, messages::kColumnMissing(Shorten(name, kMaxShown), shown, role));
}

}  // namespace

absl::Status FileError(const std::string& path, int64_t line, const Message& problem, absl::StatusCode code) {
  const std::string place = line > 0 ? absl::StrCat(path, ":", line) : path;
  return MessageStatus(code, messages::kInContext(place, problem));
}

absl::StatusOr<std::string> ReadBytes(const std::string& path, int64_t max_bytes) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return FileError(path, 0, messages::kNoSuchFile(), absl::StatusCode::kNotFound);
  if (!fs::is_regular_file(status)) return FileError(path, 0, messages::kNotAFile());
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  if (size > max_bytes) {
    return FileError(path, 0, messages::kFileTooLarge(size, max_bytes), absl::StatusCode::kResourceExhausted);
  }
  std::ifstream in(path, std::ios::binary);
  std::string content(static_cast<size_t>(size), '\0');
  if (!in || (size > 0 && !in.read(content.data(), size))) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  }
  if (const Message why = WhyNotText(content); !why.empty()) return FileError(path, 0, why);
  return content;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes,
                                         const std::string& encoding, const RowSink& sink) {
  QL_ASSIGN_OR_RETURN(std::string content, ReadBytes(path, max_bytes));
  QL_ASSIGN_OR_RETURN(DecodedText decoded, DecodeText(std::move(content), encoding, path));
  if (decoded.replaced > 0) {
    sink.undefined(decoded.replaced, absl::StrCat(path, ":", decoded.first_replaced));
  }
  return std::move(decoded.text);
}

bool AllBlank(const std::vector<std::string>& fields) {
  return std::all_of(fields.begin(), fields.end(),
                     [](const std::string& field) { return TrimBlanks(field).empty(); });
}

std::vector<std::string> SortedNames(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<DataFile>> FindByExtension(const std::string& path,
                                                      const std::vector<std::string>& extensions,
                                                      bool chosen) {
  const auto matches = [&extensions](const std::string& name) {
    return std::find(extensions.begin(), extensions.end(), LowerExtension(name)) != extensions.end();
  };
  std::error_code error;
  std::vector<DataFile> files;
  std::vector<DataFile> others;
  const auto add = [&](const std::string& file, const std::string& name) {
    if (!fs::is_regular_file(file, error)) return;
    if (!matches(name) && (!chosen || name[0] == '.')) return;
    (matches(name) ? files : others).push_back({file, PartOf(name), ""});
  };
  if (fs::is_regular_file(path, error)) {
    add(path, fs::path(path).filename().string());
  } else {
    for (const std::string& name : SortedNames(path)) add(absl::StrCat(path, "/", name), name);
  }
  if (files.empty()) files = std::move(others);
  std::stable_sort(files.begin(), files.end(),
                   [](const DataFile& a, const DataFile& b) { return a.part < b.part; });
  if (files.size() == 1 && IsWholeDataset(files[0])) files[0].part = Part::kUnsplit;
  const auto same_part = std::adjacent_find(
      files.begin(), files.end(), [](const DataFile& a, const DataFile& b) { return a.part == b.part; });
  const bool mixed = files.size() > 1 && files.front().part == Part::kUnsplit;
  if (same_part != files.end() || mixed) {
    std::vector<std::string> names;
    names.reserve(files.size());
    for (const DataFile& file : files) names.push_back(fs::path(file.path).filename().string());
    return FileError(path, 0, messages::kFilesAmbiguous(FirstOf(names, kMaxListed)));
  }
  return files;
}

absl::StatusOr<std::optional<Columns>> FindColumns(const std::vector<std::string>& present,
                                                   const DataFile& file, const DatasetConfig& given,
                                                   const RowSink& sink) {
  const DatasetConfig config = WithWellKnownPair(present, file.path, given, sink);
  const auto require = [&](const char* role, const std::string& name,
                           const std::vector<std::string>& others) -> absl::StatusOr<size_t> {
    QL_ASSIGN_OR_RETURN(const std::optional<size_t> column,
                        FindColumn(present, name, others, file.path, sink));
    return column ? absl::StatusOr<size_t>(*column) : NoColumn(file.path, role, name, present);
  };
  Columns columns;
  QL_ASSIGN_OR_RETURN(columns.text, require("text_column", config.text_column, OtherTexts(config)));
  if (!config.text_pair_column.empty()) {
    QL_ASSIGN_OR_RETURN(columns.pair, require("text_pair_column", config.text_pair_column, {}));
  }
  QL_ASSIGN_OR_RETURN(const std::optional<size_t> label,
                      FindColumn(present, config.label_column, OtherLabels(config), file.path, sink));
  if (!label.has_value() && file.part == Part::kTest) {
    sink.note(absl::StrCat(file.path, " has no column \"", config.label_column, "\" and was left out"));
    return std::optional<Columns>();
  }
  if (!label.has_value()) return NoColumn(file.path, "label_column", config.label_column, present);
  columns.label = *label;
  // Else a text would be paired with itself, or with its own label.
  if (columns.pair == columns.text || columns.pair == columns.label) {
    return FileError(
        file.path, 1,
        messages::kPairColumnTaken(present[*columns.pair],
                                   columns.pair == columns.text ? "text_column" : "label_column"));
  }
  if (!config.filter_column.empty()) {
    QL_ASSIGN_OR_RETURN(columns.filter, require("filter_column", config.filter_column, {}));
  }
  return std::optional<Columns>(columns);
}

absl::Status CheckField(std::string_view field, const ReadLimits& limits, const std::string& path,
                        int64_t line) {
  if (static_cast<int64_t>(field.size()) <= limits.max_field_bytes) return absl::OkStatus();
  return FileError(path, line, messages::kFieldTooLong(limits.max_field_bytes),
                   absl::StatusCode::kResourceExhausted);
}

}  // namespace quantlab::engine
