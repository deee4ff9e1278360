// Views of experiments for users: combines records into messages.
#ifndef QUANTLAB_SERVER_SERVICE_VIEWS_H_
#define QUANTLAB_SERVER_SERVICE_VIEWS_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/records/report_data.h"
#include "base/records/repositories.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab {

enum class ViewDetail { kFull, kWithoutFilesAndConfigs };

// Borrows the repositories. Threads: safe.
class Views {
 public:
  Views(StateRepository& state, EventRepository& events) : state_(state), events_(events) {}

  // With its runs and, in full detail, the latest progress of each. Long file lists of uploaded models and
  // datasets are omitted from the configurations; their digests are kept.
  absl::StatusOr<v1::Experiment> Experiment(const std::string& id);
  absl::StatusOr<v1::Experiment> Experiment(const ExperimentRecord& record, ViewDetail detail);

  absl::StatusOr<ReportData> Report(const std::string& experiment_id, const std::string& version);

  // The metrics of an experiment, run by run. The token identifies the last one returned.
  absl::StatusOr<v1::ListMetricsResponse> Metrics(const v1::ListMetricsRequest& request, int page_size);

 private:
  absl::StatusOr<v1::Run> RunView(const RunRecord& run, ViewDetail detail);
  absl::StatusOr<RunReport> ReportOf(const RunRecord& run);

  StateRepository& state_;
  EventRepository& events_;
};

// Omits file lists with more than this many entries.
inline constexpr int kMaxListedFiles = 100;
void ShortenFileLists(v1::RunConfig* config);

// The attempt that a run's metrics come from: its result's, else its last one; none before the first.
std::optional<AttemptKey> AttemptOfInterest(const RunRecord& run);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_VIEWS_H_
