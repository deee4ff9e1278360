// Reads an experiment file with its includes, as texts for the coordinator.
#ifndef QUANTLAB_CLIENT_INPUTS_EXPERIMENT_FILES_H_
#define QUANTLAB_CLIENT_INPUTS_EXPERIMENT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/language.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

struct ExperimentFiles {
  // The experiment file first, then its includes, each once. Names are paths as seen by the user: that of an
  // included file is joined to the folder of the file that includes it.
  std::vector<v1::SourceFile> files;
  // Errors in reading them: a missing include, a list of another type. All other errors are reported by the
  // coordinator.
  std::vector<v1::Diagnostic> diagnostics;
};

// Reads `path` and, recursively, the files in its key `include` (one name or a list, relative to the file
// that contains it). Reads no other key.
// Errors: NOT_FOUND or PERMISSION_DENIED for `path` itself; INVALID_ARGUMENT it is larger than 1 MiB or not
// text.
absl::StatusOr<ExperimentFiles> ReadExperimentFiles(const std::string& path);

// Each diagnostic as `file:line:column: error: message` with the line of the file and a caret below it.
std::string FormatDiagnostics(const std::vector<v1::Diagnostic>& diagnostics,
                              const std::vector<v1::SourceFile>& files, bool color,
                              Language language = Language::kEnglish);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_INPUTS_EXPERIMENT_FILES_H_
