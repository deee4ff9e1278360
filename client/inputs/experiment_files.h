// An experiment file with everything that it includes, as texts for the coordinator.
#ifndef QUANTLAB_CLIENT_INPUTS_EXPERIMENT_FILES_H_
#define QUANTLAB_CLIENT_INPUTS_EXPERIMENT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/language.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

struct ExperimentFiles {
  // The experiment file first, then what it includes, each once. Names are as the user reaches the files:
  // an included file's is its path joined to the folder of the file that includes it.
  std::vector<v1::SourceFile> files;
  // What stands in the way of reading them: an include that is not there, a list that is none. Whatever
  // else is wrong is the coordinator's to say.
  std::vector<v1::Diagnostic> diagnostics;
};

// Reads `path` and, through the key `include` (one name or a list, relative to the file in which it
// stands), everything below it. Looks at nothing but that key.
// Errors: NOT_FOUND or PERMISSION_DENIED for `path` itself; INVALID_ARGUMENT it is larger than 1 MiB or no
// text.
absl::StatusOr<ExperimentFiles> ReadExperimentFiles(const std::string& path);

// Each diagnostic as `file:line:column: error: message` with the line of the file and a caret below it.
std::string FormatDiagnostics(const std::vector<v1::Diagnostic>& diagnostics,
                              const std::vector<v1::SourceFile>& files, bool color,
                              Language language = Language::kEnglish);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_INPUTS_EXPERIMENT_FILES_H_
