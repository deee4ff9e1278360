// Runs an exported model in the runtime that it is for, and compares it with quant-runner on the saved one.
#ifndef QUANTLAB_EXPORT_CHECK_CHECKER_H_
#define QUANTLAB_EXPORT_CHECK_CHECKER_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "export/exporter.h"
#include "export/package.h"

namespace quantlab::model_export {

struct CheckOptions {
  std::string python;                 // a program; must have the packages of the format (HasRuntime)
  std::string runner;                 // quant-runner
  std::string texts;                  // a file with one text a line; empty: built-in sentences
  int threads = 0;                    // of the timed runs; 0: one for each core
  std::function<bool()> should_stop;  // may be empty
};

// Whether `python` starts and has the packages in which `exporter`'s models run.
bool HasRuntime(const std::string& python, const Exporter& exporter);

// Errors: INTERNAL the runtime, quant-runner or Python failed, with what it said; CANCELLED;
// DEADLINE_EXCEEDED after an hour; INVALID_ARGUMENT the file of texts has none, or is not
// UTF-8; those of ReadFile for it.
absl::StatusOr<CheckResult> CheckExportedModel(const SourceModel& model, const Exporter& exporter,
                                               const CheckOptions& options, const std::string& folder);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_CHECK_CHECKER_H_
