// Folders and files of this machine that an experiment names: which of their files workers need, and the
// digests of those.
#ifndef QUANTLAB_CLIENT_INPUTS_ASSETS_H_
#define QUANTLAB_CLIENT_INPUTS_ASSETS_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection/transfer.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

struct LocalAsset {
  v1::ProvidedInput input;       // for SubmitExperiment; files sorted by path
  std::vector<LocalFile> files;  // for UploadFiles, in the same order
};

// Where `required` is looked for on this machine, first to last. `overrides` maps names to paths (--asset).
// A leading "~" is the user's home folder.
// Errors: as HomeFolder (platform/environment.h).
absl::StatusOr<std::vector<std::string>> AssetCandidates(const v1::RequiredInput& required,
                                                         const std::string& experiment_folder,
                                                         const std::map<std::string, std::string>& overrides);

// The first candidate that exists. Errors: NOT_FOUND says where it was looked for and what to do.
absl::StatusOr<std::string> LocateAsset(const v1::RequiredInput& required,
                                        const std::string& experiment_folder,
                                        const std::map<std::string, std::string>& overrides);

// The first candidate that exists, listed and hashed. `progress` (may be empty) hears of each file.
// Of a model's folder what ModelFiles selects is taken, once the folder has been checked as a run would; of a
// dataset's everything but hidden files and, in the aclImdb layout, what carries no label. Links are
// followed. Errors: NOT_FOUND says where it was looked for and what to do; INVALID_ARGUMENT it is there but
// not what its role needs.
absl::StatusOr<LocalAsset> FindAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                                     const std::map<std::string, std::string>& overrides,
                                     const std::function<void(const std::string& path)>& progress);

// What FindAsset would say, without hashing the files.
absl::Status CheckAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                        const std::map<std::string, std::string>& overrides);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_INPUTS_ASSETS_H_
