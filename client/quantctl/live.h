// Following an experiment on the screen until it ends.
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
  kDetach,  // it leaves the experiment alone and ends the following
};

struct Followed {
  v1::Experiment experiment;  // as it ended; as it was last where `detached`
  bool interrupted = false;
  std::set<std::string> told;  // runs whose unhappy end was explained on the screen
  bool detached = false;
};

// Draws one line per run on a terminal, redrawn; prints a line per change, and one per busy run now and
// then, elsewhere. With --output json or yaml each change goes to standard output as one line of JSON when
// `stream_changes`. A second Ctrl-C ends the process with code 130 at once.
absl::StatusOr<Followed> Follow(Session& session, Client& client, const std::string& experiment_id,
                                OnInterrupt on_interrupt, bool stream_changes);

// One line for each run that ended otherwise than by success, with why, where that was not told before;
// empty when there is nothing to say.
std::string DescribeFailures(const Followed& followed, Language language = Language::kEnglish);

// What a followed experiment means as an exit code.
int ExitCodeOf(const Followed& followed);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_LIVE_H_
