// The results folders on this machine, found without a coordinator.
#ifndef QUANTLAB_CLIENT_RESULTS_LOCAL_RESULTS_H_
#define QUANTLAB_CLIENT_RESULTS_LOCAL_RESULTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/language.h"

namespace quantlab::client {

struct LocalResults {
  std::string folder;    // "results/quick"
  std::string id, name;  // of the experiment
};

// Those directly below `results_dir`, the one written last first. Anything else there is passed over.
std::vector<LocalResults> ListLocalResults(const std::string& results_dir);

// The one that `name` means: "latest", else the id of an experiment, else its name or that of its folder (of
// several the one written last), else a prefix of one id only.
// Errors: NOT_FOUND, with the command that writes them; INVALID_ARGUMENT several ids begin so.
absl::StatusOr<LocalResults> FindLocalResults(const std::string& results_dir, const std::string& name);

// The report to read: the page in `language`, else in another one, else Markdown.
// Errors: NOT_FOUND, with the command that writes it.
absl::StatusOr<std::string> ReportToOpen(const LocalResults& results, Language language);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_LOCAL_RESULTS_H_
