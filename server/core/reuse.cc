#include "server/core/reuse.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr char kModelPrefix[] = "model/";

// One line per file, in an order that does not depend on the repository's.
std::string Lines(const AssignmentInput& input) {
  std::vector<std::string> lines;
  for (const Artifact& file : input.files) lines.push_back(absl::StrCat(file.sha256, "  ", file.name, "\n"));
  std::sort(lines.begin(), lines.end());
  return absl::StrJoin(lines, "");
}

}  // namespace

absl::StatusOr<std::vector<AssignmentInput>> CollectInputs(EventRepository& events,
                                                           const std::vector<RunRecord>& runs,
                                                           const RunRecord& run) {
  std::vector<AssignmentInput> inputs;
  for (const RunDependency& need : run.needs) {
    for (const RunRecord& other : runs) {
      if (other.name != need.run || other.state != RunState::kSucceeded || !other.result) continue;
      QL_ASSIGN_OR_RETURN(const std::vector<Artifact> artifacts, events.ListArtifacts(*other.result));
      AssignmentInput input{other, {}};
      for (Artifact artifact : artifacts) {
        if (!absl::StartsWith(artifact.name, kModelPrefix)) continue;
        artifact.name = std::string(absl::StripPrefix(artifact.name, kModelPrefix));
        input.files.push_back(std::move(artifact));
      }
      inputs.push_back(std::move(input));
    }
  }
  return inputs;
}

absl::Status CheckArtifacts(ArtifactStore& store, const std::vector<Artifact>& artifacts) {
  for (const Artifact& artifact : artifacts) {
    QL_ASSIGN_OR_RETURN(const ArtifactStore::Stat stat, store.GetStat(artifact.sha256));
    if (stat.present && stat.size == artifact.size) continue;
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "artifact ", artifact.name, " (", artifact.sha256, ", ", artifact.size, " bytes) ",
                          stat.present ? absl::StrCat("has ", stat.size, " bytes in the store")
                                       : "is not in the store; upload it first")),
                      "ARTIFACT_MISSING");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReuseIndex::Key(const std::vector<RunRecord>& runs, const RunRecord& run,
                                            const std::string& fingerprint,
                                            const std::string& runner_sha256) const {
  if (run.input_key.empty() || run.kind == RunKind::kComparison || fingerprint.empty() ||
      runner_sha256.empty()) {
    return "";
  }
  QL_ASSIGN_OR_RETURN(const std::vector<AssignmentInput> inputs, CollectInputs(events_, runs, run));
  std::string text = absl::StrCat("1\n", run.input_key, "\n", fingerprint, "\n", runner_sha256, "\n");
  for (const AssignmentInput& input : inputs) absl::StrAppend(&text, Lines(input), "\n");
  return Sha256Hex(text);
}

absl::StatusOr<std::optional<AttemptKey>> ReuseIndex::Find(const std::string& key) const {
  if (key.empty()) return std::nullopt;
  QL_ASSIGN_OR_RETURN(const auto known, state_.FindReusable(key));
  if (!known) return std::nullopt;
  QL_ASSIGN_OR_RETURN(const std::vector<Artifact> artifacts, events_.ListArtifacts(*known));
  const absl::Status complete = CheckArtifacts(artifacts_, artifacts);
  if (absl::IsFailedPrecondition(complete)) return std::nullopt;
  QL_RETURN_IF_ERROR(complete);
  return known;
}

}  // namespace quantlab
