#include "client/results/results.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/results/archive.h"
#include "client/results/folder_exchange.h"
#include "client/results/marker.h"
#include "client/results/repeatable.h"
#include "client/results/stored_file.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr char kData[] = "report_data.json";
constexpr int64_t kDataLimit = int64_t{1} << 30;

// An experiment's name as the name of a folder.
std::string FolderName(const v1::Experiment& experiment) {
  std::string name = experiment.name().empty() ? experiment.id() : experiment.name();
  for (char& c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '_';
  }
  if (name[0] == '.') name = absl::StrCat("_", name);
  return std::string(Utf8Prefix(name, 200));
}

std::string PrettyJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}\n";
  return text;
}

// The same bytes where reports would say the same: maps in order, whatever language was asked for.
std::string BytesOf(v1::ReportData data) {
  data.mutable_experiment()->clear_report_language();
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  data.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

std::string Exact(double value) {
  return absl::StrFormat("%.17g", value);
}

// The folder of a run below that of its experiment.
std::string RunFolder(const v1::Run& run) {
  return run.folder().empty() ? SplitRunId(run.id()).second : run.folder();
}

// A run's metrics, layers, caveats and environment.
std::string MetricsJson(const v1::RunReport& report) {
  v1::RunReport metrics;
  *metrics.mutable_metrics() = report.metrics();
  *metrics.mutable_layers() = report.layers();
  *metrics.mutable_caveats() = report.caveats();
  if (report.has_environment()) *metrics.mutable_environment() = report.environment();
  return PrettyJson(metrics);
}

// Writes all files of the folder.
class Writer {
 public:
  Writer(Client& client, const v1::ReportData& data, const ResultsOptions& options)
      : client_(client), data_(data), options_(options) {}

  absl::StatusOr<ResultsFolder> Run() {
    QL_ASSIGN_OR_RETURN(folder_, FolderExchange::Open(options_.results_dir, FolderName(data_.experiment()),
                                                      data_.experiment().id()));
    QL_RETURN_IF_ERROR(WriteExperiment());
    for (const v1::RunReport& run : data_.runs()) QL_RETURN_IF_ERROR(WriteRun(run));
    QL_RETURN_IF_ERROR(FetchArtifacts());
    const std::string path = (fs::path(options_.results_dir) / FolderName(data_.experiment())).string();
    QL_ASSIGN_OR_RETURN(std::string moved_away, folder_->Publish(Marker()));
    return ResultsFolder{path, std::move(moved_away), gone_};
  }

 private:
  absl::Status Write(const std::string& path, const std::string& content) {
    QL_RETURN_IF_ERROR(folder_->Claim(path));
    const fs::path full = folder_->New(path);
    std::ofstream out(full, std::ios::binary | std::ios::trunc);
    errno = 0;
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.close();
    return out ? absl::OkStatus() : FileError(errno != 0 ? errno : EIO, "write", full.string());
  }

  absl::Status WriteExperiment() {
    for (const TextFile& file : RepeatableFiles(data_.experiment())) {
      QL_RETURN_IF_ERROR(Write(file.path, file.content));
    }
    QL_RETURN_IF_ERROR(Write(kData, PrettyJson(data_)));
    for (const TextFile& file : options_.report)
      QL_RETURN_IF_ERROR(Write("report/" + file.path, file.content));
    return KeepOtherReports();
  }

  // The other language, the other formats: true as long as the data are what they were made from.
  absl::Status KeepOtherReports() {
    if (folder_->Old(kData).empty()) return absl::OkStatus();
    const absl::StatusOr<std::string> before = ReadFile(folder_->Old(kData).string(), kDataLimit);
    v1::ReportData old_data;
    if (!before.ok() || !google::protobuf::util::JsonStringToMessage(*before, &old_data).ok() ||
        BytesOf(old_data) != BytesOf(data_)) {
      return absl::OkStatus();
    }
    for (const std::string& path : folder_->old().files) {
      const fs::path old = folder_->Old(path);
      if (!absl::StartsWith(path, "report/") || folder_->files().count(path) > 0 || old.empty()) continue;
      QL_RETURN_IF_ERROR(folder_->Claim(path));
      std::error_code error;
      fs::copy_file(old, folder_->New(path), fs::copy_options::overwrite_existing, error);
      if (error) return FromError(error, "copy", old);
    }
    return absl::OkStatus();
  }

  absl::Status WriteRun(const v1::RunReport& report) {
    const std::string folder = RunFolder(report.run());
    v1::Run run = report.run();
    QL_RETURN_IF_ERROR(Write(folder + "/config.json", PrettyJson(run.config())));
    run.clear_config();
    QL_RETURN_IF_ERROR(Write(folder + "/run.json", PrettyJson(run)));
    QL_RETURN_IF_ERROR(Write(folder + "/metrics.json", MetricsJson(report)));
    QL_RETURN_IF_ERROR(Write(folder + "/metrics.csv", MetricsCsv(report)));
    return WriteLog(report.run(), folder + "/log.txt");
  }

  absl::Status WriteLog(const v1::Run& run, const std::string& path) {
    QL_RETURN_IF_ERROR(folder_->Claim(path));
    std::ofstream out(folder_->New(path), std::ios::binary | std::ios::trunc);
    v1::ListLogsRequest request;
    request.set_experiment_id(data_.experiment().id());
    request.set_run(SplitRunId(run.id()).second);
    request.set_attempt(-1);
    QL_RETURN_IF_ERROR(client_.ListLogs(request, [&](const v1::LogEntry& entry) {
      out << absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", ToTime(entry.time()), absl::UTCTimeZone())
          << " attempt=" << entry.attempt() << " " << SeverityName(entry.severity()) << " " << entry.message()
          << "\n";
    }));
    errno = 0;
    out.close();
    return out ? absl::OkStatus() : FileError(errno != 0 ? errno : EIO, "write", folder_->New(path).string());
  }

  // Of all artifacts.
  absl::StatusOr<std::set<std::string>> StoredDigests() {
    constexpr int kAtOnce = 1000;
    std::set<std::string> asked, stored;
    for (const v1::RunReport& report : data_.runs()) {
      for (const v1::Artifact& artifact : report.artifacts()) asked.insert(artifact.sha256());
    }
    for (auto next = asked.begin(); next != asked.end();) {
      v1::StatArtifactsRequest request;
      for (; next != asked.end() && request.sha256_size() < kAtOnce; ++next) request.add_sha256(*next);
      QL_ASSIGN_OR_RETURN(const v1::StatArtifactsResponse response, client_.StatArtifacts(request));
      for (const v1::ArtifactStat& stat : response.artifacts()) {
        if (stat.present()) stored.insert(stat.sha256());
      }
    }
    return stored;
  }

  absl::Status FetchArtifacts() {
    QL_ASSIGN_OR_RETURN(const std::set<std::string> stored, StoredDigests());
    std::vector<LocalFile> wanted;
    int64_t total = 0, done = 0;
    for (const v1::RunReport& report : data_.runs()) {
      for (int i = 0; i < report.artifacts_size(); ++i) {
        const v1::Artifact& artifact = report.artifacts(i);
        const std::string path = PlaceOf(RunFolder(report.run()), artifact.name(), i);
        if (options_.artifacts == Artifacts::kKeep && folder_->Old(path).empty()) continue;
        if (stored.count(artifact.sha256()) == 0 && folder_->Old(path).empty()) {
          ++gone_;
          continue;
        }
        QL_RETURN_IF_ERROR(folder_->Claim(path));
        wanted.push_back({folder_->New(path).string(), artifact.sha256(), artifact.size()});
        if (options_.store.empty() || !ShareStoredFile(options_.store, wanted.back()))
          TakeFromOldFolder(path, artifact.size());
        total += artifact.size();
      }
    }
    for (const LocalFile& file : wanted) {
      const auto progress = [&](int64_t of_file, int64_t) {
        if (options_.progress) options_.progress(done + of_file, total);
      };
      QL_RETURN_IF_ERROR(DownloadFile(client_, file, progress));
      done += file.size;
    }
    return absl::OkStatus();
  }

  // Where the `index`-th artifact of a run goes: a name may be that of one of our files, or need a folder
  // in the place of a file.
  std::string PlaceOf(const std::string& folder, const std::string& name, int index) const {
    const std::string numbered =
        absl::StrCat(folder, "/artifacts/", index + 1, "_", absl::StrReplaceAll(name, {{"/", "_"}}));
    const std::string free =
        folder_->FirstFree({folder + "/" + name, folder + "/artifacts/" + name, numbered});
    return free.empty() ? folder + "/" + name : free;
  }

  // A second name for a file that is here already; DownloadFile checks its digest.
  void TakeFromOldFolder(const std::string& path, int64_t size) {
    const fs::path old = folder_->Old(path);
    std::error_code error;
    if (old.empty() || fs::exists(folder_->New(path), error)) return;
    if (static_cast<int64_t>(fs::file_size(old, error)) != size || error) return;
    fs::create_hard_link(old, folder_->New(path), error);
  }

  std::string Marker() const {
    const v1::Experiment& experiment = data_.experiment();
    std::set<std::string> files = folder_->files();
    files.insert(kMarker);
    return MarkerText(
        {experiment.id(), experiment.name(), StateName(experiment.state()), std::move(files), {}});
  }

  Client& client_;
  const v1::ReportData& data_;
  const ResultsOptions& options_;
  std::unique_ptr<FolderExchange> folder_;
  int64_t gone_ = 0;
};

}  // namespace

absl::Status CheckResultsDir(const std::string& results_dir) {
  std::error_code error;
  fs::path existing = fs::absolute(results_dir, error);
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  if (!fs::is_directory(existing, error)) {
    return absl::FailedPreconditionError(absl::StrCat("results cannot be written to ", results_dir, ": ",
                                                      existing.string(), " is not a folder"));
  }
  if (access(existing.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return FromError(std::error_code(errno, std::generic_category()), "write results to", existing);
}

std::string MetricsCsv(const v1::RunReport& run) {
  std::string csv = "name,value,unit,low,high,samples,step,labels\n";
  for (const v1::Metric& metric : run.metrics()) {
    const std::map<std::string, std::string> labels(metric.labels().begin(), metric.labels().end());
    absl::StrAppend(&csv, CsvField(metric.name()), ",", Exact(metric.value()), ",", CsvField(metric.unit()),
                    ",", metric.has_low() ? Exact(metric.low()) : "", ",",
                    metric.has_high() ? Exact(metric.high()) : "");
    absl::StrAppend(&csv, ",", metric.samples(), ",", metric.step(), ",",
                    CsvField(absl::StrJoin(labels, ";", absl::PairFormatter("="))), "\n");
  }
  return csv;
}

std::vector<TextFile> HandInFiles(const v1::ReportData& data, const std::vector<TextFile>& report) {
  const std::string folder = FolderName(data.experiment()) + "/";
  std::vector<TextFile> files;
  for (const TextFile& file : report)
    files.push_back({absl::StrCat(folder, "report/", file.path), file.content});
  for (TextFile& file : RepeatableFiles(data.experiment())) {
    files.push_back({folder + file.path, std::move(file.content)});
  }
  for (const v1::RunReport& run : data.runs()) {
    const std::string of_run = absl::StrCat(folder, RunFolder(run.run()), "/");
    files.push_back({of_run + "config.json", PrettyJson(run.run().config())});
    files.push_back({of_run + "metrics.json", MetricsJson(run)});
    files.push_back({of_run + "metrics.csv", MetricsCsv(run)});
  }
  return files;
}

absl::StatusOr<ResultsFolder> WriteResults(Client& client, const v1::ReportData& data,
                                           const ResultsOptions& options) {
  return Writer(client, data, options).Run();
}

}  // namespace quantlab::client
