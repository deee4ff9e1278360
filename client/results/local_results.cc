#include "client/results/local_results.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "client/results/marker.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostIds = 5;  // that a message lists

bool IsNamed(const std::string& name, const LocalResults& results) {
  return name == results.name || fs::path(results.folder).filename() == name;
}

}  // namespace

std::vector<LocalResults> ListLocalResults(const std::string& results_dir) {
  std::vector<std::pair<fs::file_time_type, LocalResults>> found;
  std::error_code error;
  for (auto it = fs::directory_iterator(results_dir, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    // What is being written has a hidden name.
    if (absl::StartsWith(it->path().filename().string(), ".")) continue;
    std::optional<ResultsMarker> marker = ReadMarker(it->path());
    if (!marker.has_value()) continue;
    found.emplace_back(marker->written,
                       LocalResults{it->path().string(), std::move(marker->id), std::move(marker->name)});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second.folder < b.second.folder;
  });
  std::vector<LocalResults> results;
  for (auto& [written, one] : found) results.push_back(std::move(one));
  return results;
}

absl::StatusOr<LocalResults> FindLocalResults(const std::string& results_dir, const std::string& name) {
  const std::vector<LocalResults> all = ListLocalResults(results_dir);
  if (name == "latest" && !all.empty()) return all[0];
  for (const LocalResults& results : all) {
    if (results.id == name) return results;
  }
  for (const LocalResults& results : all) {
    if (IsNamed(name, results)) return results;
  }
  // Of copies of one folder that written last.
  std::vector<const LocalResults*> matches;
  for (const LocalResults& results : all) {
    if (!absl::StartsWith(results.id, name)) continue;
    const bool copy = std::any_of(matches.begin(), matches.end(),
                                  [&](const LocalResults* other) { return other->id == results.id; });
    if (!copy) matches.push_back(&results);
  }
  if (matches.empty())
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNoResultsFolder(name, results_dir));
  if (matches.size() == 1) return *matches[0];
  std::vector<std::string> ids;
  for (size_t i = 0; i < std::min(kMostIds, matches.size()); ++i) ids.push_back(matches[i]->id);
  if (matches.size() > kMostIds) ids.push_back("…");
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kExperimentAmbiguous(name, ids));
}

absl::StatusOr<std::string> ReportToOpen(const LocalResults& results, Language language) {
  const bool chinese = language == Language::kChinese;
  for (const char* name :
       {chinese ? "report.zh.html" : "report.en.html", chinese ? "report.en.html" : "report.zh.html",
        chinese ? "课程设计报告.md" : "report.en.md", chinese ? "report.en.md" : "课程设计报告.md"}) {
    const fs::path path = fs::path(results.folder) / "report" / name;
    std::error_code error;
    if (fs::is_regular_file(path, error)) return path.string();
  }
  return MessageStatus(absl::StatusCode::kNotFound, messages::kNoReportFile(results.folder, results.id));
}

}  // namespace quantlab::client
