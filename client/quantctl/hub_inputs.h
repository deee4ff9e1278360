// Models that an experiment names by their name on a hub (`hf:owner/name`).
#ifndef QUANTLAB_CLIENT_QUANTCTL_HUB_INPUTS_H_
#define QUANTLAB_CLIENT_QUANTCTL_HUB_INPUTS_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/messages/message.h"
#include "client/quantctl/session.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// Adds the folder of each such model of `checked`, the answer to a validate_only request, to `paths`
// (--asset), unless it is there already or the catalogue's folder of that model exists. With `fetch`, missing
// models are downloaded first; otherwise they are removed from `checked`, so that nothing looks for them.
// `notes` gets what the user should know. Errors: those of FetchModel (client/hub/hub.h); INVALID_ARGUMENT a
// malformed name.
absl::Status ResolveHubModels(Session& session, const std::string& experiment_folder, bool fetch,
                              const std::function<void(const Message&)>& progress,
                              v1::SubmitExperimentResponse* checked,
                              std::map<std::string, std::string>* paths, std::vector<Message>* notes);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_HUB_INPUTS_H_
