// Results of an experiment, fetched, written and summed up.
#ifndef QUANTLAB_CLIENT_QUANTCTL_RESULT_FOLDER_H_
#define QUANTLAB_CLIENT_QUANTCTL_RESULT_FOLDER_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/quantctl/session.h"
#include "client/results/results.h"

namespace quantlab::client {

struct FetchOptions {
  Artifacts artifacts = Artifacts::kDownload;
  std::string language;  // zh, en, both; empty: as the experiment file says
  // Pages beside the Markdown, which is always written. Paper takes longest.
  bool html = true, pdf = false;
};

// A note below a table, as a line.
std::string NoteLine(Language language, const std::string& text);

struct WrittenResults {
  absl::Status written;  // why the folder could not be written; `summary` is there nevertheless
  std::string folder;
  std::string summary;  // for people: a short table, what was subset, where the report is
};

// Writes results/<name> with the report in it. Says on standard error what it does.
// Errors: the data could not be fetched, or the call was cancelled.
absl::StatusOr<WrittenResults> FetchResults(Session& session, Client& client,
                                            const std::string& experiment_id, const FetchOptions& options);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_RESULT_FOLDER_H_
