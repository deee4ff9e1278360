#include "yaml/report_options.h"

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "yaml/include_reader.h"

namespace quantlab {
namespace {

// Longer texts are no line of a cover.
constexpr int64_t kMaxCoverBytes = 300;
constexpr double kMaxPoints = 100, kMaxMilliseconds = 1e7, kMaxMegabytes = 1e9;

void ReadLimit(Fields& fields, const std::string& key, double max, std::optional<double>& limit) {
  double value = -1;  // which no file may say
  fields.Double(key, 0, max, &value);
  if (value >= 0) limit = value;
}

void ReadLine(Fields& fields, const std::string& key, Diagnostics& diagnostics, std::string& line) {
  fields.Text(key, &line);
  if (static_cast<int64_t>(line.size()) <= kMaxCoverBytes) return;
  diagnostics.Error(fields.at(),
                    messages::kCoverLineTooLong(absl::StrCat(fields.path(), ".", key),
                                                static_cast<int64_t>(line.size()), kMaxCoverBytes));
  line.clear();
}

}  // namespace

DecisionOptions ReadDecision(const YamlNode* decide, Diagnostics& diagnostics) {
  DecisionOptions options;
  Fields fields(decide, "decide", diagnostics);
  ReadLimit(fields, "max_accuracy_drop", kMaxPoints, options.max_accuracy_drop);
  ReadLimit(fields, "max_p90_ms", kMaxMilliseconds, options.max_p90_ms);
  ReadLimit(fields, "max_size_mb", kMaxMegabytes, options.max_size_mb);
  ReadLimit(fields, "max_memory_mb", kMaxMegabytes, options.max_memory_mb);
  fields.OneOf("goal", {"speed", "size", "memory", "accuracy"}, &options.goal);
  fields.Int("batch_size", 1, 4096, &options.batch_size);
  fields.Int("sequence_length", 1, 8192, &options.sequence_length);
  fields.Done();
  return options;
}

CoverOptions ReadCover(const YamlNode* cover, Diagnostics& diagnostics) {
  CoverOptions options;
  Fields fields(cover, "report.cover", diagnostics);
  ReadLine(fields, "course", diagnostics, options.course);
  ReadLine(fields, "title", diagnostics, options.title);
  ReadLine(fields, "author", diagnostics, options.author);
  ReadLine(fields, "student_id", diagnostics, options.student_id);
  ReadLine(fields, "class", diagnostics, options.class_name);
  ReadLine(fields, "teacher", diagnostics, options.teacher);
  ReadLine(fields, "school", diagnostics, options.school);
  ReadLine(fields, "date", diagnostics, options.date);
  fields.Done();
  return options;
}

ReportOptions ReportOptionsOf(const std::vector<SourceFile>& files) {
  ReportOptions options;
  if (files.empty()) return options;
  Diagnostics diagnostics;
  const auto root = ReadWithIncludes(files, diagnostics);
  if (!root.has_value()) return options;
  if (const YamlNode* const decide = root->Find("decide")) options.decide = ReadDecision(decide, diagnostics);
  const YamlNode* const report = root->Find("report");
  const YamlNode* const cover = report == nullptr ? nullptr : report->Find("cover");
  if (cover != nullptr) options.cover = ReadCover(cover, diagnostics);
  return options;
}

}  // namespace quantlab
