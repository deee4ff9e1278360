// A zip archive of what is handed in.
#ifndef QUANTLAB_CLIENT_RESULTS_ARCHIVE_H_
#define QUANTLAB_CLIENT_RESULTS_ARCHIVE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/results/results.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// The most that course platforms commonly accept.
inline constexpr int64_t kArchiveLimit = 20'000'000;

// What is handed in of an experiment, below a folder of its name: the report with figures and tables, the
// experiment files, and of each run its configuration and metrics. No models, predictions or logs.
// report: below report/.
std::vector<TextFile> HandInFiles(const v1::ReportData& data, const std::vector<TextFile>& report);

// Whether an archive can be made at `path`: before the work of making what goes into it.
// Errors: FAILED_PRECONDITION there is no folder to put it into, or a folder stands in its place.
absl::Status CheckArchivePath(const std::string& path);

// Writes the files as a zip archive to `path`, replacing what is there in one step. The same files give the
// same bytes: they are sorted, and all carry the date 1980-01-01.
// Errors: RESOURCE_EXHAUSTED the archive would exceed `limit` bytes, with the largest files; nothing is left
// at `path` then. Those of files. INVALID_ARGUMENT a path twice, or one that leaves the folder.
absl::Status WriteArchive(const std::string& path, const std::vector<TextFile>& files,
                          int64_t limit = kArchiveLimit);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_ARCHIVE_H_
