// Local folders and files that an experiment names: the files that workers need, with their digests.
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

// The paths where `required` is searched on this machine, in order. `overrides` maps names to paths
// (--asset). A leading "~" is the user's home folder. Errors: as HomeFolder (platform/environment.h).
absl::StatusOr<std::vector<std::string>> AssetCandidates(const v1::RequiredInput& required,
                                                         const std::string& experiment_folder,
                                                         const std::map<std::string, std::string>& overrides);

// The first candidate that exists. Errors: NOT_FOUND with the paths that were searched and the remedy.
absl::StatusOr<std::string> LocateAsset(const v1::RequiredInput& required,
                                        const std::string& experiment_folder,
                                        const std::map<std::string, std::string>& overrides);

// Bytes of a file that have been read and hashed.
using HashProgress = std::function<void(const std::string& path, int64_t done, int64_t total)>;

// The first candidate that exists, listed and hashed. `progress` (may be empty) is called for each file, and
// for each megabyte of it. From a model's folder, after the same checks as in a run, the files that
// ModelFiles selects; from a dataset's folder, all files except hidden ones and, in the aclImdb layout,
// unlabelled ones. Links are followed. Errors: NOT_FOUND with the paths that were searched and the remedy;
// INVALID_ARGUMENT it exists but is unsuitable for its role.
absl::StatusOr<LocalAsset> FindAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                                     const std::map<std::string, std::string>& overrides,
                                     const HashProgress& progress);

// Like FindAsset, but without hashing the files.
absl::Status CheckAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                        const std::map<std::string, std::string>& overrides);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_INPUTS_ASSETS_H_
