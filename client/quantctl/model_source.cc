#include "client/quantctl/model_source.h"

#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/files.h"
#include "base/messages/export.h"
#include "base/messages/transfer.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/connection/transfer.h"
#include "client/quantctl/status_line.h"
#include "platform/paths.h"
#include "proto/json.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using model_export::MeasuredNumber;
using model_export::ModelFacts;

constexpr int64_t kMaxReportBytes = int64_t{256} << 20;
constexpr char kModelFolder[] = "model";

std::optional<double> Known(double value, bool known) {
  return known && std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

// Final numbers of a run, as its report has them; those of single classes and of training are left out.
std::vector<MeasuredNumber> NumbersOf(const v1::RunReport& run) {
  std::vector<MeasuredNumber> numbers;
  for (const v1::Metric& metric : run.metrics()) {
    if (metric.step() != 0 || metric.labels().count("class") > 0) continue;
    std::vector<std::string> labels;
    for (const auto& [key, value] :
         std::map<std::string, std::string>(metric.labels().begin(), metric.labels().end())) {
      labels.push_back(absl::StrCat(key, " ", value));
    }
    numbers.push_back(
        {labels.empty() ? metric.name() : absl::StrCat(metric.name(), " (", absl::StrJoin(labels, ", "), ")"),
         metric.value(), metric.unit(), Known(metric.low(), metric.has_low()),
         Known(metric.high(), metric.has_high()), metric.samples()});
  }
  return numbers;
}

ModelFacts FactsOf(const v1::RunReport& run) {
  const v1::RunConfig& config = run.run().config();
  ModelFacts facts;
  facts.name = run.run().id();
  facts.base_model = config.model().name();
  facts.base_license = config.model().license();
  facts.base_digest = config.model().digest();
  facts.dataset = config.dataset().asset().name();
  facts.dataset_license = config.dataset().asset().license();
  facts.dataset_digest = config.dataset().asset().digest();
  facts.numbers = NumbersOf(run);
  return facts;
}

bool IsModel(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "config.json", error) &&
         (fs::is_regular_file(folder / "model.safetensors", error) ||
          fs::is_regular_file(folder / "model.safetensors.index.json", error) ||
          fs::is_regular_file(folder / "pytorch_model.bin", error));
}

// The run whose results folder holds `model`, where there is one: RESULTS/RUN/model.
std::optional<ModelFacts> FactsBeside(const fs::path& model) {
  const fs::path run_folder = model.parent_path(), results = run_folder.parent_path();
  for (fs::path root = results; root.has_relative_path(); root = root.parent_path()) {
    const auto text = ReadFile((root / "report_data.json").string(), kMaxReportBytes);
    if (!text.ok()) {
      if (root != results) return std::nullopt;  // RESULTS/RUN/seed-1/model at most
      continue;
    }
    v1::ReportData data;
    if (!FromJson(*text, &data).ok()) return std::nullopt;
    for (const v1::RunReport& run : data.runs()) {
      if (run.run().folder() == run_folder.lexically_relative(root).generic_string()) return FactsOf(run);
    }
    return std::nullopt;
  }
  return std::nullopt;
}

std::string ShortName(const std::string& name) {
  return EscapeName(absl::StrReplaceAll(name, {{"/", "-"}}));
}

ModelSource LocalModel(const fs::path& folder) {
  const fs::path model = fs::absolute(folder).lexically_normal();
  const fs::path trimmed = model.has_filename() ? model : model.parent_path();
  ModelSource source;
  source.folder = trimmed.string();
  const fs::path named = trimmed.filename() == kModelFolder ? trimmed.parent_path() : trimmed;
  source.short_name = ShortName(named.filename().string());
  const std::optional<ModelFacts> facts = FactsBeside(trimmed);
  if (facts) source.facts = *facts;
  if (!facts) source.facts.name = named.filename().string();
  return source;
}

absl::StatusOr<const v1::RunReport*> FindRun(const v1::ReportData& data, const std::string& name) {
  for (const v1::RunReport& run : data.runs()) {
    const std::string own = SplitRunId(run.run().id()).second;
    if (own == name || run.run().folder() == name) return &run;
  }
  return MessageStatus(absl::StatusCode::kNotFound,
                       messages::kExportRunHasNoModel(name, data.experiment().id()));
}

absl::StatusOr<ModelSource> Download(Session& session, const std::string& experiment,
                                     const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(experiment));
  QL_ASSIGN_OR_RETURN(const v1::ReportData data, client->GetReportData(id));
  QL_ASSIGN_OR_RETURN(const v1::RunReport* const run, FindRun(data, name));
  QL_ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make("quantlab-model"));
  ModelSource source;
  source.downloaded = std::make_shared<ScratchFolder>(std::move(scratch));
  source.folder = source.downloaded->path() + "/" + kModelFolder;
  std::vector<LocalFile> files;
  int64_t total = 0, done = 0;
  for (const v1::Artifact& artifact : run->artifacts()) {
    if (!absl::StartsWith(artifact.name(), absl::StrCat(kModelFolder, "/")) ||
        !IsSafeRelativePath(artifact.name())) {
      continue;
    }
    const fs::path path = fs::path(source.downloaded->path()) / artifact.name();
    files.push_back({path.string(), artifact.sha256(), artifact.size()});
    total += artifact.size();
  }
  if (files.empty()) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kExportRunHasNoModel(name, id));
  }
  StatusLine line(session);
  for (const LocalFile& file : files) {
    QL_RETURN_IF_ERROR(MakeDirectories(fs::path(file.path).parent_path().string()));
    QL_RETURN_IF_ERROR(DownloadFile(*client, file, [&](int64_t of_file, int64_t) {
      line.Update(messages::kFetchingResults(done + of_file, total));
    }));
    done += file.size;
  }
  source.facts = FactsOf(*run);
  source.short_name = ShortName(run->run().id());
  return source;
}

}  // namespace

absl::StatusOr<ModelSource> FindModel(Session& session, const std::string& source) {
  if (IsModel(source)) return LocalModel(source);
  if (IsModel(fs::path(source) / kModelFolder)) return LocalModel(fs::path(source) / kModelFolder);
  const size_t slash = source.find('/');
  std::error_code error;
  if (slash == std::string::npos || slash == 0 || slash + 1 == source.size() || fs::exists(source, error)) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kExportSourceUnknown(source));
  }
  return Download(session, source.substr(0, slash), source.substr(slash + 1));
}

}  // namespace quantlab::client
