#include "base/records/records.h"

namespace quantlab {

std::string MakeRunId(const std::string& experiment_id, const std::string& run_name) {
  return experiment_id + "/" + run_name;
}

std::pair<std::string, std::string> SplitRunId(const std::string& run_id) {
  const size_t slash = run_id.find('/');
  if (slash == std::string::npos) return {"", ""};
  return {run_id.substr(0, slash), run_id.substr(slash + 1)};
}

}  // namespace quantlab
