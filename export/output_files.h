// Files of an exported model: readable by everybody who may read the folder above, unlike
// WriteFileAtomically's. The folder is renamed to its place when it is whole (export/package.h), so files are
// written in place.
#ifndef QUANTLAB_EXPORT_OUTPUT_FILES_H_
#define QUANTLAB_EXPORT_OUTPUT_FILES_H_

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantlab::model_export {

// Creates `path`, or empties it, to be closed by CloseOutput. Errors: as base/files.h.
absl::Status OpenOutput(const std::string& path, std::ofstream& out);

// Closes `out`. Errors: RESOURCE_EXHAUSTED or what else kept some of its bytes from being written.
absl::Status CloseOutput(std::ofstream& out, const std::string& path);

// A whole file. Errors: those of both.
absl::Status WriteOutput(const std::string& path, absl::string_view content);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_OUTPUT_FILES_H_
