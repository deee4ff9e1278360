// Writes the results of an experiment as a folder.
//
//   results/quick/
//     experiment.json              id, state, and the files that quantctl wrote here
//     experiment.yaml, included/   as submitted
//     report_data.json             the complete data of the report
//     report/                      课程设计报告.md, report.en.md, tables/
//     baseline/                    one folder per run (Run.folder)
//       config.json, run.json, metrics.json, metrics.csv, log.txt, model/…, predictions.csv …
#ifndef QUANTLAB_CLIENT_RESULTS_RESULTS_H_
#define QUANTLAB_CLIENT_RESULTS_RESULTS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection/client.h"
#include "client/connection/transfer.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

struct TextFile {
  std::string path;  // relative, '/'-separated
  std::string content;
};

enum class Artifacts {
  kDownload,
  // Only if an earlier results folder of the experiment has them.
  kKeep,
};

struct ResultsOptions {
  std::string results_dir;
  Artifacts artifacts = Artifacts::kDownload;
  std::vector<TextFile> report;  // below report/
  // The coordinator's artifact store where it is on this machine: results share its bytes where the file
  // system can (stored_file.h). Empty: artifacts are downloaded.
  std::string store;
  // Of artifacts, over all files. May be empty.
  TransferProgress progress;
};

struct ResultsFolder {
  std::string path;        // "results/quick"
  std::string moved_away;  // new path of an older folder of that name; empty: there was none
  // Artifacts that the coordinator has no longer, by age or for space (quant-coordinator --retention).
  int64_t gone = 0;
};

// Whether WriteResults could create its folder in `results_dir` now. Creates nothing.
// Errors: PERMISSION_DENIED, or FAILED_PRECONDITION another file is in the way; the message names the
// path.
absl::Status CheckResultsDir(const std::string& results_dir);

// Writes the folder under a hidden name beside its final path, and exchanges the two when it is complete: at
// any time `path` is complete, old or new. The next call continues one that was killed.
// A folder of the same name that belongs to another experiment, or to none, is moved to "<name>@<its id>";
// files that the user put into an older folder of this experiment are kept.
// Errors: RESOURCE_EXHAUSTED the disk is full; ALREADY_EXISTS another process writes the same results;
// DATA_LOSS an artifact is damaged; INVALID_ARGUMENT a name that leaves the folder.
absl::StatusOr<ResultsFolder> WriteResults(Client& client, const v1::ReportData& data,
                                           const ResultsOptions& options);

// A run's metrics as CSV: name, value, unit, low, high, samples, step, labels ("split=test;class=1").
std::string MetricsCsv(const v1::RunReport& run);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_RESULTS_H_
