// The marker of a results folder: the file that says whose results it holds.
#ifndef QUANTLAB_CLIENT_RESULTS_MARKER_H_
#define QUANTLAB_CLIENT_RESULTS_MARKER_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include "absl/status/status.h"

namespace quantlab::client {

inline constexpr char kMarker[] = "experiment.json";
// Of the marker, and of other lists of the files of a folder.
inline constexpr int64_t kMarkerLimit = 64 << 20;

struct ResultsMarker {
  std::string id, name, state;              // of the experiment; the id is never empty
  std::set<std::string> files;              // that quantctl wrote, as paths relative to the folder
  std::filesystem::file_time_type written;  // when the folder was complete
};

// That of `folder`; nothing where it has none, or one without an id.
std::optional<ResultsMarker> ReadMarker(const std::filesystem::path& folder);
// Its text; `written` is the time of the file.
std::string MarkerText(const ResultsMarker& marker);

// An error of the standard library's file functions, with the path.
absl::Status FromError(const std::error_code& error, const char* action, const std::filesystem::path& path);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_MARKER_H_
