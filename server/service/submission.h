// Turns a SubmitExperiment request into an experiment and its runs: the limits of a request, the plan, and
// the records that the coordinator stores.
#ifndef QUANTLAB_SERVER_SERVICE_SUBMISSION_H_
#define QUANTLAB_SERVER_SERVICE_SUBMISSION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/records/repositories.h"
#include "catalog/catalog.h"
#include "quantlab/v1/experiment.pb.h"
#include "server/config/plan.h"

namespace quantlab {

// Limits of one request, beside those of the experiment file (server/config).
inline constexpr size_t kMaxRequestIdBytes = 64;
inline constexpr size_t kMaxSubmitterBytes = 256;
inline constexpr int kMaxOnlyNames = 1000;
inline constexpr size_t kMaxOnlyNameBytes = 256;
// Each run's configuration lists the files of its model and its dataset.
inline constexpr int64_t kMaxListedFilesInAllRuns = 2'000'000;

// INVALID_ARGUMENT, with what is allowed, for a text or a list that is too long or a missing request_id.
absl::Status CheckRequest(const v1::SubmitExperimentRequest& request);

// A digest of everything that determines what a request creates: files, uploaded inputs, `only`, no_reuse.
std::string RequestDigest(const v1::SubmitExperimentRequest& request);

// INVALID_ARGUMENT, with the reason REQUEST_ID_REUSED, unless `known` was created by the same request.
// Experiments without a digest are compared by their files.
absl::Status CheckSameRequest(const ExperimentRecord& known, const v1::SubmitExperimentRequest& request);

struct Submission {
  PlanResult plan;
  std::vector<ProvidedAsset> inputs;
  ExperimentRecord experiment;  // without id and time
};

// Errors: INVALID_ARGUMENT a malformed request. Problems of the file are in plan.diagnostics.
absl::StatusOr<Submission> PlanSubmission(const v1::SubmitExperimentRequest& request, const Catalog& catalog);

// The first error of a plan, with how many more there are: INVALID_ARGUMENT, with the reason
// EXPERIMENT_INVALID.
absl::Status FirstError(const Diagnostics& diagnostics);

// FAILED_PRECONDITION, with the reason ARTIFACT_MISSING, for a file that is not in the store whole.
absl::Status CheckUploads(ArtifactStore& store, const std::vector<ProvidedAsset>& inputs);

// The records under an id; `id` may be empty for validation.
ExperimentRecord MakeExperiment(const Submission& submission, const std::string& id, absl::Time now);
std::vector<RunRecord> MakeRuns(const Submission& submission, const std::string& id, absl::Time now);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_SUBMISSION_H_
