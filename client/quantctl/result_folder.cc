#include "client/quantctl/result_folder.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/messages/storage.h"
#include "base/messages/transfer.h"
#include "base/status_macros.h"
#include "client/display/text.h"
#include "client/quantctl/status_line.h"
#include "client/results/archive.h"
#include "client/results/render.h"
#include "proto/convert.h"
#include "report/facts/facts.h"
#include "report/facts/format.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/report.h"

namespace quantlab::client {
namespace {

std::string WithInterval(const std::string& value, const std::optional<report::Result>& result,
                         std::string (*format)(double)) {
  if (!result || !result->low || !result->high) return value;
  return absl::StrCat(value, " [", format(*result->low), ", ", format(*result->high), "]");
}

std::string Shown(const std::optional<report::Result>& result, std::string (*format)(double)) {
  return result ? WithInterval(format(result->value), result, format) : "";
}

std::string ShownSpeedup(const std::optional<report::Result>& speedup) {
  if (!speedup) return "";
  return WithInterval(report::SpeedupFormat(*speedup)(speedup->value), speedup, report::FormatRatio);
}

// "8", or "8 × 128 tokens" where several lengths were timed.
std::string ShapeHeader(Language language, const std::set<report::InputShape>& shapes,
                        report::InputShape shape) {
  const bool one_length = std::all_of(shapes.begin(), shapes.end(), [&](const report::InputShape& other) {
    return other.sequence_length == shape.sequence_length;
  });
  if (one_length) shape.sequence_length = 0;
  return report::ShapeValue(language, shape);
}

// One row per variant: the quality of the task, size, and the speedup at each shape of input that was timed.
Table VariantTable(Language language, const report::Facts& facts) {
  std::set<report::InputShape> shapes;
  for (size_t i = 0; i < facts.comparisons.size(); ++i) shapes.merge(facts.ShapesWithSpeedup(i));
  std::vector<Table::Column> columns = {
      Table::Flexible("VARIANT"),
      Table::Flexible(facts.task().numeric ? "PEARSON [95 %]" : "ACCURACY [95 %]"),
      {"SIZE", Align::kRight},
      {"SMALLER", Align::kRight}};
  for (const report::InputShape& shape : shapes) {
    columns.push_back(
        Table::Flexible(Render(language, messages::kSpeedupColumn(ShapeHeader(language, shapes, shape)))));
  }
  Table table(columns);
  for (const report::VariantFacts& variant : facts.variants) {
    report::Measured none;
    const report::Measured& measured = variant.measured.empty() ? none : variant.measured.front();
    std::vector<Cell> row = {variant.name, Shown(variant.accuracy, report::QualityFormat(*variant.task)),
                             measured.size ? report::FormatBytes(measured.size->value) : "",
                             measured.ratio ? report::FormatCompression(measured.ratio->value) : ""};
    for (const report::InputShape& shape : shapes) {
      const auto timing = measured.by_shape.find(shape);
      row.push_back(timing == measured.by_shape.end() ? "" : ShownSpeedup(timing->second.speedup));
    }
    table.Add(std::move(row));
  }
  return table;
}

// Caveats of all runs, each text once.
std::string Caveats(Language language, const ReportData& data, bool subsets_said) {
  std::set<std::string> seen;
  std::string text;
  for (const RunReport& run : data.runs) {
    for (const Caveat& caveat : run.caveats) {
      if (subsets_said && caveat.code == "subset") continue;
      if (!seen.insert(caveat.message).second) continue;
      absl::StrAppend(&text, NoteLine(language, RenderOr(language, caveat.coded_message, caveat.message)),
                      "\n");
    }
  }
  return text;
}

struct Reported {
  ReportData data;
  std::vector<report::Language> languages;
  std::vector<TextFile> files;
};

absl::StatusOr<Reported> MakeReport(Session& session, const v1::ReportData& message,
                                    const FetchOptions& options) {
  Reported reported;
  QL_ASSIGN_OR_RETURN(reported.data, FromProto(message));
  const std::string& language = reported.data.experiment.report_language;
  QL_ASSIGN_OR_RETURN(reported.languages, report::ParseLanguages(language.empty() ? "both" : language));
  RenderOptions rendering;
  rendering.languages = reported.languages;
  rendering.html = options.html;
  rendering.pdf = options.pdf;
  rendering.cancellation = &session.cancellation();
  StatusLine line(session);
  rendering.progress = [&line](const Message& step) { line.Show(step); };
  // Ctrl-C also ends the external programs that draw and typeset.
  session.interrupts().Handle([&session](int) { session.cancellation().Cancel(); });
  absl::StatusOr<RenderedReport> rendered = RenderFiles(reported.data, rendering);
  session.interrupts().Handle(nullptr);
  line.Clear();
  QL_RETURN_IF_ERROR(rendered.status());
  for (const Message& note : rendered->notes) session.Warn(Printable(session.Say(note)));
  reported.files = std::move(rendered->files);
  return reported;
}

// The reader's language if the report is in both languages; or else the report's.
Language SummaryLanguage(const Session& session, const Reported& reported) {
  return reported.languages.size() == 1 ? reported.languages.front() : session.language();
}

// `folder` is empty if there is none.
std::string Summary(Session& session, const Reported& reported, const std::string& folder,
                    bool subsets_said) {
  const ReportData& data = reported.data;
  const report::Facts facts = report::CollectFacts(data);
  std::string text;
  const Language language = session.language();
  const int columns = session.out().Columns();
  const Table table = VariantTable(language, facts);
  if (!table.empty()) absl::StrAppend(&text, table.Render(session.out().color, columns, language), "\n");
  absl::StrAppend(&text, Wrap(absl::StrCat(report::RenderSummary(data, SummaryLanguage(session, reported)),
                                           Caveats(language, data, subsets_said)),
                              columns));
  if (folder.empty()) return text;
  absl::StrAppend(&text, "\n", session.Say(messages::kResultsIn(folder)), "\n");
  for (const TextFile& file : reported.files) {
    // Only the documents, which are at the top level.
    if (!absl::StrContains(file.path, '/'))
      absl::StrAppend(&text, session.Say(messages::kReportIn(absl::StrCat(folder, "/report/", file.path))),
                      "\n");
  }
  return text;
}

}  // namespace

std::string NoteLine(Language language, const std::string& text) {
  return absl::StrCat(RenderTerm(language, "note:"), language == Language::kEnglish ? " " : "",
                      Printable(text));
}

absl::StatusOr<WrittenResults> FetchResults(Session& session, Client& client,
                                            const std::string& experiment_id, const FetchOptions& options) {
  QL_ASSIGN_OR_RETURN(v1::ReportData data, client.GetReportData(experiment_id));
  ResultsOptions results;
  results.results_dir = session.settings().results_dir;
  results.artifacts = options.artifacts;
  if (session.embedded() != nullptr)
    results.store = EmbeddedPaths(session.settings().data_dir).coordinator_data + "/artifacts";
  if (!options.language.empty()) data.mutable_experiment()->set_report_language(options.language);
  // Results are kept even if no report can be made from them.
  const absl::StatusOr<Reported> reported = MakeReport(session, data, options);
  if (absl::IsCancelled(reported.status())) return reported.status();
  if (reported.ok()) {
    results.report = reported->files;
  } else {
    session.Warn(messages::kNoReport(MessageOf(reported.status())));
  }
  if (reported.ok() && !options.archive.empty()) {
    QL_RETURN_IF_ERROR(WriteArchive(options.archive, HandInFiles(data, reported->files)));
  }
  StatusLine line(session);
  results.progress = [&line](int64_t done, int64_t total) {
    line.Update(messages::kFetchingResults(done, total));
  };
  const absl::StatusOr<ResultsFolder> folder = WriteResults(client, data, results);
  line.Clear();
  if (!folder.ok()) {
    return WrittenResults{folder.status(), "",
                          reported.ok() ? Summary(session, *reported, "", options.subsets_said) : ""};
  }
  if (!folder->moved_away.empty()) {
    session.Note(messages::kOlderResultsMoved(folder->moved_away));
  }
  if (folder->gone > 0) session.Warn(messages::kArtifactsGone(folder->gone));
  const std::string where = session.Say(messages::kResultsIn(folder->path)) + "\n";
  return WrittenResults{
      absl::OkStatus(), folder->path,
      reported.ok() ? Summary(session, *reported, folder->path, options.subsets_said) : where};
}

}  // namespace quantlab::client
