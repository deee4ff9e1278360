// Names of models on a Hugging Face hub, as `model:` of an experiment file has them.
#ifndef QUANTLAB_MODEL_FOLDER_HUB_NAME_H_
#define QUANTLAB_MODEL_FOLDER_HUB_NAME_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace quantlab {

struct HubName {
  std::string repository;         // "google/electra-small-discriminator", or "bert-base-uncased"
  std::string revision = "main";  // a branch, a tag or a commit
};

// "hf:owner/name", "hf:owner/name@revision" or "hf:name"; nullopt for anything else.
std::optional<HubName> ParseHubName(absl::string_view name);

// Whether `name` begins as a name of the hub does, well-formed or not.
bool HasHubPrefix(absl::string_view name);

// Whether a model of this name has been on the hub without an owner since before owners were required, so
// that tutorials call it by the bare name: "bert-base-uncased".
bool IsBareHubName(absl::string_view name);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_HUB_NAME_H_
