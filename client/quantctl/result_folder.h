// Downloads, writes and summarizes the results of an experiment.
#ifndef QUANTLAB_CLIENT_QUANTCTL_RESULT_FOLDER_H_
#define QUANTLAB_CLIENT_QUANTCTL_RESULT_FOLDER_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/quantctl/session.h"
#include "client/results/results.h"

namespace quantlab::client {

struct FetchOptions {
  Artifacts artifacts = Artifacts::kDownload;
  std::string language;  // zh, en, both; empty: as set in the experiment file
  // Formats besides Markdown, which is always written. PDF takes longest.
  bool html = true, pdf = false;
  std::string archive;  // of what is handed in; empty: none
  // Leaves out of the summary what was said of the datasets' subsets when the experiment began.
  bool subsets_said = false;
};

// A note below a table, as a line.
std::string NoteLine(Language language, const std::string& text);

struct WrittenResults {
  absl::Status written;  // why the folder could not be written; `summary` is set even then
  std::string folder;
  std::string summary;  // for users: a short table, subsets of the data, the path of the report
};

// Writes results/<name> with the report. Reports its steps on standard error.
// Errors: the data could not be downloaded, or the call was cancelled.
absl::StatusOr<WrittenResults> FetchResults(Session& session, Client& client,
                                            const std::string& experiment_id, const FetchOptions& options);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_RESULT_FOLDER_H_
