// Models of a Hugging Face hub, downloaded into the cache folder that other programs use too.
//
//   <cache>/models--google--electra-small-discriminator/
//     refs/main                      the commit that a branch or tag was last seen at
//     blobs/<digest>                 each content once; <digest>.incomplete while it is downloaded
//     snapshots/<commit>/config.json links into blobs/
//
// The client downloads, not the worker: a coordinator and its workers need no way to the internet, and the
// files reach them as uploads like any other folder.
//
// Source of the layout and of the protocol: huggingface_hub 0.24, "Understand caching" and file_download.py.
#ifndef QUANTLAB_CLIENT_HUB_HUB_H_
#define QUANTLAB_CLIENT_HUB_HUB_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/messages/message.h"
#include "client/connection/cancellation.h"
#include "model_folder/hub_name.h"
#include "platform/environment.h"

namespace quantlab::client {

struct HubOptions {
  std::string endpoint;  // "https://huggingface.co", or a mirror of it
  std::string token;     // sent to the origin of `endpoint` only, and never shown; empty: none
  std::string cache;     // the folder with models--…
  bool offline = false;  // only what the cache has
  std::string asked_as;  // the name in the experiment file, for messages

  const Cancellation* cancellation = nullptr;  // borrowed; may be null
  // What is being done now, for a progress line; often while a file arrives. May be empty.
  std::function<void(const Message&)> progress = {};
  // What the user should know afterwards, such as that the hub could not be asked. May be empty.
  std::function<void(const Message&)> note = {};
  // Of the first pause before a request is repeated; it doubles.
  absl::Duration first_pause = absl::Seconds(1);
};

// From HF_ENDPOINT, HF_TOKEN (else the file HF_TOKEN_PATH, else HF_HOME/token), HF_HUB_CACHE (else
// HF_HOME/hub, else huggingface/hub in the user's cache folder) and HF_HUB_OFFLINE. Errors: INVALID_ARGUMENT
// the endpoint is not a URL of HTTP, or a token would be sent unencrypted to another machine; those of
// XdgFolder.
absl::StatusOr<HubOptions> HubOptionsOf(const VariableLookup& environment);

// The snapshot folder of a model in the cache, with all files that a model needs; without asking the hub.
// Errors: NOT_FOUND.
absl::StatusOr<std::string> FindInCache(const HubName& name, const HubOptions& options);

// The snapshot folder of a model, after whatever of it was missing has been downloaded and checked against
// its digest. A download that was cut off continues where it ended. If the hub cannot be reached, the last
// state of the model in the cache is used, with a note. Errors: NOT_FOUND no such model or revision, or
// neither a network nor a copy, with what to place where; PERMISSION_DENIED the hub asks for a token or for a
// licence to be accepted; DATA_LOSS a file differs from its digest after two downloads; RESOURCE_EXHAUSTED
// too large, or the disk is full; UNAVAILABLE the hub keeps failing; CANCELLED.
absl::StatusOr<std::string> FetchModel(const HubName& name, const HubOptions& options);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_HUB_HUB_H_
