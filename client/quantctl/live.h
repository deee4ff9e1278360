// Follows an experiment on the terminal until it ends.
#ifndef QUANTLAB_CLIENT_QUANTCTL_LIVE_H_
#define QUANTLAB_CLIENT_QUANTCTL_LIVE_H_

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "client/quantctl/session.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

enum class OnInterrupt {
  kCancel,  // the first Ctrl-C cancels the experiment and waits for its end
  kDetach,  // it stops following and leaves the experiment running
};

struct Followed {
  v1::Experiment experiment;  // the ended one; the last known one if `detached`
  bool interrupted = false;
  std::set<std::string> explained;  // runs whose failure was already shown with its reason
  bool detached = false;
};

// On a terminal, draws and updates one line per run; elsewhere, prints a line per change, and from time to
// time one per running run. With --output json or yaml and `stream_changes`, each change is written to
// standard output as one line of JSON. A second Ctrl-C ends the process immediately with code 130.
// `subsets_said`: that only subsets of the data are used was said when the experiment was submitted; it is
// not repeated.
absl::StatusOr<Followed> Follow(Session& session, Client& client, const std::string& experiment_id,
                                OnInterrupt on_interrupt, bool stream_changes, bool subsets_said = false);

// One line for each run that did not succeed, with the reason, unless it was shown before; empty if there is
// none.
std::string DescribeFailures(const Followed& followed, Language language = Language::kEnglish);

// The exit code for a followed experiment.
int ExitCodeOf(const Followed& followed);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_LIVE_H_
