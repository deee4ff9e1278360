#include "client/results/results.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <stdio.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/records.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/results/archive.h"
#include "client/results/repeatable.h"
#include "platform/file_lock.h"
#include "platform/files.h"
#include "platform/paths.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr char kMarker[] = "experiment.json";
constexpr char kLock[] = ".lock";
constexpr char kData[] = "report_data.json";
constexpr int64_t kDataLimit = int64_t{1} << 30;
constexpr int64_t kMarkerLimit = 64 << 20;

absl::Status FromError(const std::error_code& error, const char* action, const fs::path& path) {
  return FileError(error.value(), action, path.string());
}

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

// What is known of a results folder that stands there.
struct Marker {
  std::string id;
  std::set<std::string> files;
};

Marker ReadMarker(const fs::path& folder) {
  Marker marker;
  const absl::StatusOr<std::string> text = ReadFile((folder / kMarker).string(), kMarkerLimit);
  if (!text.ok()) return marker;
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("id") || !json["id"].is_string()) return marker;
  marker.id = json["id"].get<std::string>();
  if (!json.contains("files") || !json["files"].is_array()) return marker;
  for (const Json& file : json["files"]) {
    if (file.is_string()) marker.files.insert(file.get<std::string>());
  }
  return marker;
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

// The folder under its hidden name.
class Writer {
 public:
  Writer(Client& client, const v1::ReportData& data, const ResultsOptions& options)
      : client_(client),
        data_(data),
        options_(options),
        root_(options.results_dir),
        target_(root_ / FolderName(data.experiment())),
        temp_(root_ /
              absl::StrCat(".", FolderName(data.experiment()), "@", data.experiment().id(), ".partial")) {}

  absl::StatusOr<ResultsFolder> Run() {
    QL_RETURN_IF_ERROR(Prepare());
    QL_RETURN_IF_ERROR(WriteExperiment());
    for (const v1::RunReport& run : data_.runs()) QL_RETURN_IF_ERROR(WriteRun(run));
    QL_RETURN_IF_ERROR(FetchArtifacts());
    QL_RETURN_IF_ERROR(RemoveLeftovers());
    QL_RETURN_IF_ERROR(WriteMarker());
    return Publish();
  }

 private:
  absl::Status Prepare() {
    std::error_code error;
    fs::create_directories(root_, error);
    if (error) return FromError(error, "create", root_);
    fs::create_directories(temp_, error);
    if (error) return FromError(error, "create", temp_);
    QL_ASSIGN_OR_RETURN(lock_, FileLock::Try((temp_ / kLock).string(), FileLock::Mode::kExclusive));
    if (lock_ == nullptr) {
      return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kResultsBusy(data_.experiment().id()));
    }
    old_ = ReadMarker(target_);
    return absl::OkStatus();
  }

  absl::Status Write(const std::string& path, const std::string& content) {
    QL_RETURN_IF_ERROR(Claim(path));
    const fs::path full = temp_ / path;
    std::ofstream out(full, std::ios::binary | std::ios::trunc);
    errno = 0;
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.close();
    return out ? absl::OkStatus() : FileError(errno != 0 ? errno : EIO, "write", full.string());
  }

  // Checks a path, makes its folder, and takes note that it is ours.
  absl::Status Claim(const std::string& path) {
    if (!IsSafeRelativePath(path)) {
      return absl::InvalidArgumentError(absl::StrCat("the coordinator names a file '", Printable(path),
                                                     "', which would leave the results folder"));
    }
    files_.insert(path);
    std::error_code error;
    fs::create_directories((temp_ / path).parent_path(), error);
    return error ? FromError(error, "create", (temp_ / path).parent_path()) : absl::OkStatus();
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
    if (!InOldFolder(kData)) return absl::OkStatus();
    const absl::StatusOr<std::string> before = ReadFile((target_ / kData).string(), kDataLimit);
    v1::ReportData old_data;
    if (!before.ok() || !google::protobuf::util::JsonStringToMessage(*before, &old_data).ok() ||
        BytesOf(old_data) != BytesOf(data_)) {
      return absl::OkStatus();
    }
    for (const std::string& path : old_.files) {
      if (!absl::StartsWith(path, "report/") || files_.count(path) > 0 || !InOldFolder(path)) continue;
      QL_RETURN_IF_ERROR(Claim(path));
      std::error_code error;
      fs::copy_file(target_ / path, temp_ / path, fs::copy_options::overwrite_existing, error);
      if (error) return FromError(error, "copy", target_ / path);
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
    QL_RETURN_IF_ERROR(Claim(path));
    std::ofstream out(temp_ / path, std::ios::binary | std::ios::trunc);
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
    return out ? absl::OkStatus() : FileError(errno != 0 ? errno : EIO, "write", (temp_ / path).string());
  }

  absl::Status FetchArtifacts() {
    std::vector<LocalFile> wanted;
    int64_t total = 0, done = 0;
    for (const v1::RunReport& report : data_.runs()) {
      for (const v1::Artifact& artifact : report.artifacts()) {
        std::string path = RunFolder(report.run()) + "/" + artifact.name();
        if (files_.count(path) > 0) path = RunFolder(report.run()) + "/artifacts/" + artifact.name();
        if (options_.artifacts == Artifacts::kKeep && !InOldFolder(path)) continue;
        QL_RETURN_IF_ERROR(Claim(path));
        TakeFromOldFolder(path, artifact.size());
        wanted.push_back({(temp_ / path).string(), artifact.sha256(), artifact.size()});
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

  bool InOldFolder(const std::string& path) const {
    std::error_code error;
    return old_.id == data_.experiment().id() && fs::is_regular_file(target_ / path, error);
  }

  // A second name for a file that is here already; DownloadFile checks its digest.
  void TakeFromOldFolder(const std::string& path, int64_t size) {
    std::error_code error;
    if (!InOldFolder(path) || fs::exists(temp_ / path, error)) return;
    if (static_cast<int64_t>(fs::file_size(target_ / path, error)) != size || error) return;
    fs::create_hard_link(target_ / path, temp_ / path, error);
  }

  // What a killed call left that does not belong here.
  absl::Status RemoveLeftovers() {
    std::vector<fs::path> stale;
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(temp_, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const std::string relative = it->path().lexically_relative(temp_).generic_string();
      if (!it->is_directory() && relative != kLock && files_.count(relative) == 0)
        stale.push_back(it->path());
    }
    if (error) return FromError(error, "list", temp_);
    for (const fs::path& path : stale) QL_RETURN_IF_ERROR(RemoveTree(path.string()));
    return absl::OkStatus();
  }

  absl::Status WriteMarker() {
    files_.insert(kMarker);
    Json json = Json::object();
    json["schema"] = "quantlab.v1/Results";
    json["id"] = data_.experiment().id();
    json["name"] = data_.experiment().name();
    json["state"] = StateName(data_.experiment().state());
    json["files"] = files_;
    return WriteFileAtomically((temp_ / kMarker).string(),
                               json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  absl::StatusOr<ResultsFolder> Publish() {
    ResultsFolder result{target_.string(), ""};
    fs::remove(temp_ / kLock);
    std::error_code error;
    const bool there = fs::exists(fs::symlink_status(target_, error));
    if (there && old_.id == data_.experiment().id()) {
      QL_RETURN_IF_ERROR(Exchange());
    } else {
      if (there) {
        QL_ASSIGN_OR_RETURN(result.moved_away, MoveAway());
      }
      fs::rename(temp_, target_, error);
      if (error) return FromError(error, "rename", temp_);
    }
    QL_RETURN_IF_ERROR(SyncDirectory(root_.string()));
    return result;
  }

  // The new folder takes the old one's place in one step; then the user's own files move over.
  absl::Status Exchange() {
    if (renameat2(AT_FDCWD, temp_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
      return FileError(errno, "rename", temp_.string());
    }
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(temp_, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const fs::path relative = it->path().lexically_relative(temp_);
      if (it->is_directory() || old_.files.count(relative.generic_string()) > 0 ||
          fs::exists(target_ / relative))
        continue;
      fs::create_directories((target_ / relative).parent_path(), error);
      fs::rename(it->path(), target_ / relative, error);
      if (error) return FromError(error, "move", it->path());
    }
    return RemoveTree(temp_.string());
  }

  absl::StatusOr<std::string> MoveAway() {
    const std::string base = absl::StrCat(target_.string(), "@", old_.id.empty() ? "older" : old_.id);
    std::string away = base;
    std::error_code error;
    for (int i = 2; fs::exists(fs::symlink_status(away, error)); ++i) away = absl::StrCat(base, ".", i);
    fs::rename(target_, away, error);
    if (error) return FromError(error, "rename", target_);
    return away;
  }

  Client& client_;
  const v1::ReportData& data_;
  const ResultsOptions& options_;
  const fs::path root_, target_, temp_;
  std::unique_ptr<FileLock> lock_;
  Marker old_;
  std::set<std::string> files_;
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
