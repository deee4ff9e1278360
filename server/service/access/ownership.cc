#include "server/service/access/ownership.h"

#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"

namespace quantlab {

absl::Status CheckOwner(const RpcRecord& record, StateRepository& state, const std::string& experiment_id) {
  if (record.grant() != Grant::kOwn) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const ExperimentRecord experiment, state.GetExperiment(experiment_id));
  const std::string name = record.caller().name();
  if (experiment.submitter == name) return absl::OkStatus();
  const std::string owner = experiment.submitter.empty() ? "-" : experiment.submitter;
  return WithReason(
      MessageStatus(absl::StatusCode::kPermissionDenied, messages::kNotYours(experiment_id, owner, name)),
      "NOT_YOURS");
}

}  // namespace quantlab
