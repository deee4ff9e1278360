#include "client/quantctl/hub_inputs.h"

#include <optional>
#include <utility>

#include "base/messages/hub.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "client/hub/http.h"
#include "client/hub/hub.h"
#include "client/inputs/assets.h"

namespace quantlab::client {
namespace {

// The name on the hub of a model that is not on this machine; nullopt for any other input.
absl::StatusOr<std::optional<HubName>> HubNameOf(const v1::RequiredInput& required,
                                                 const std::string& experiment_folder,
                                                 const std::map<std::string, std::string>& paths) {
  std::optional<HubName> none;
  if (required.role() != "model" || paths.count(required.name()) > 0) return none;
  const std::string& asked = HasHubPrefix(required.path()) ? required.path() : required.name();
  if (HasHubPrefix(asked)) {
    const std::optional<HubName> name = ParseHubName(asked);
    if (name.has_value()) return name;
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kHubNameWrong(asked));
  }
  if (!IsBareHubName(required.name())) return none;
  if (LocateAsset(required, experiment_folder, paths).ok()) return none;
  return std::optional<HubName>(HubName{required.name()});
}

}  // namespace

absl::Status ResolveHubModels(Session& session, const std::string& experiment_folder, bool fetch,
                              const std::function<void(const Message&)>& progress,
                              v1::SubmitExperimentResponse* checked,
                              std::map<std::string, std::string>* paths, std::vector<Message>* notes) {
  v1::SubmitExperimentResponse rest = *checked;
  rest.clear_required_inputs();
  for (const v1::RequiredInput& required : checked->required_inputs()) {
    QL_ASSIGN_OR_RETURN(const std::optional<HubName> name, HubNameOf(required, experiment_folder, *paths));
    if (!name.has_value()) {
      *rest.add_required_inputs() = required;
      continue;
    }
    QL_ASSIGN_OR_RETURN(HubOptions options, HubOptionsOf(ProcessEnvironment()));
    options.asked_as = required.name();
    options.cancellation = &session.cancellation();
    options.progress = progress;
    options.note = [notes](const Message& note) { notes->push_back(note); };
    const absl::StatusOr<std::string> folder =
        fetch ? FetchModel(*name, options) : FindInCache(*name, options);
    if (folder.ok()) {
      paths->emplace(required.name(), *folder);
      *rest.add_required_inputs() = required;
    } else if (fetch) {
      return folder.status();
    } else {
      notes->push_back(messages::kHubWillBeFetched(name->repository, HostOf(options.endpoint)));
    }
  }
  *checked = std::move(rest);
  return absl::OkStatus();
}

}  // namespace quantlab::client
