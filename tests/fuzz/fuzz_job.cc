// Any text as job.json: a job or an error.
#include "tests/fuzz/fuzz_folder.h"
#include "worker/runner/job_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  const auto job = quantlab::runner::ParseJob(absl::string_view(reinterpret_cast<const char*>(data), size));
  const absl::Status status = job.ok() ? quantlab::runner::CheckJob(*job) : job.status();
  if (!status.ok()) CheckError(status);
  return 0;
}
