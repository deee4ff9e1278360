#include "worker/engine/input_checks/tensor_checks.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/inputs.h"
#include "base/messages/message_catalogue.h"
#include "base/text/escape.h"
#include "base/text/list.h"
#include "worker/engine/families/encoder_tensors.h"
#include "worker/engine/families/families.h"

namespace quantlab::engine {
namespace {

// Of a message: problems, names in a list, and bytes of each.
constexpr size_t kMaxProblems = 5, kMaxListed = 5, kMaxShown = 100;

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

bool StartsWithAny(const std::string& name, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&name](const std::string& beginning) { return absl::StartsWith(name, beginning); });
}

// Buffers that old versions of transformers saved.
bool IsBuffer(const std::string& name) {
  return absl::EndsWith(name, ".position_ids") || absl::EndsWith(name, ".embeddings.token_type_ids");
}

class Checker {
 public:
  Checker(const EncoderConfig& config, const ModelFamily& family) : config_(config), family_(family) {}

  std::vector<Message> Problems(const StoredTensors& stored) {
    Rename(stored);
    const EncoderLayout::Head& head = family_.layout.head;
    for (const char* part : {".weight", ".bias"}) left_.erase(head.output + part);
    for (const TensorSpec& tensor : EncoderTensors(config_, family_.layout)) Take(tensor);
    const auto first = left_.lower_bound(head.dense + ".");
    if (first != left_.end() && absl::StartsWith(first->first, head.dense + ".")) {
      for (const TensorSpec& tensor : LinearTensors(head.dense, config_.hidden_size, config_.hidden_size))
        Take(tensor);
    }
    NoteUnknown();
    return std::move(problems_);
  }

 private:
  void Rename(const StoredTensors& stored) {
    const auto first = stored.lower_bound(family_.prefix + ".");
    const bool has_prefix = first != stored.end() && absl::StartsWith(first->first, family_.prefix + ".");
    for (const auto& [name, tensor] : stored) {
      const std::string canonical = CanonicalTensorName(family_, name, has_prefix);
      if (left_.emplace(canonical, &tensor).second) continue;
      problems_.push_back(messages::kTensorTwice(Shorten(name, kMaxShown), Shorten(canonical, kMaxShown)));
    }
  }

  void Take(const TensorSpec& wanted) {
    const auto it = left_.find(wanted.name);
    if (it == left_.end()) {
      problems_.push_back(messages::kTensorMissing(wanted.name, ShapeText(wanted.shape)));
      return;
    }
    const StoredTensor& own = *it->second;
    left_.erase(it);
    if (own.shape != wanted.shape) {
      problems_.push_back(
          messages::kTensorOfOtherShape(wanted.name, ShapeText(own.shape), ShapeText(wanted.shape)));
    } else if (own.dtype != "F32" && own.dtype != "F16" && own.dtype != "BF16" && own.dtype != "F64") {
      problems_.push_back(messages::kTensorOfOtherType(wanted.name, own.dtype));
    }
  }

  void NoteUnknown() {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : left_) {
      if (!IsBuffer(name) && !StartsWithAny(name, family_.layout.ignored))
        names.push_back(Shorten(name, kMaxShown));
    }
    if (names.empty()) return;
    const auto count = static_cast<int64_t>(names.size());
    problems_.insert(
        problems_.begin() + static_cast<std::ptrdiff_t>(std::min(problems_.size(), kMaxProblems)),
        messages::kTensorsUnknown(count, FirstOf(names, kMaxListed)));
  }

  const EncoderConfig& config_;
  const ModelFamily& family_;
  std::map<std::string, const StoredTensor*> left_;  // by canonical name
  std::vector<Message> problems_;
};

}  // namespace

absl::Status CheckTensors(const StoredTensors& stored, const EncoderConfig& config,
                          const std::string& folder) {
  std::vector<Message> problems = Checker(config, *FindModelFamily(config.family)).Problems(stored);
  if (problems.empty()) return absl::OkStatus();
  // What is unknown stands behind the first problems, since a wrong name is both unknown and missing.
  const size_t shown = std::min(problems.size(), kMaxProblems + 1);
  const auto left = static_cast<int64_t>(problems.size() - shown);
  problems.resize(shown);
  if (left > 0) problems.push_back(messages::kMoreTensors(left));
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kWeightsDoNotFit(folder, problems));
}

}  // namespace quantlab::engine
