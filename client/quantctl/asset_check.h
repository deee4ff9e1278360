// Whether an asset of the catalogue is complete on this machine, for `quantctl doctor`.
#ifndef QUANTLAB_CLIENT_QUANTCTL_ASSET_CHECK_H_
#define QUANTLAB_CLIENT_QUANTCTL_ASSET_CHECK_H_

#include <string>
#include <vector>

#include "base/config/run_config.h"

namespace quantlab::client {

struct AssetCheck {
  enum State { kPresent, kMissing, kDamaged } state = kPresent;
  std::string detail;
};

// Reads every file below `folder` and compares its digest.
AssetCheck CheckAsset(const std::string& folder, const std::vector<AssetFile>& files);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_ASSET_CHECK_H_
