#include "client/quantctl/asset_check.h"

#include <sys/stat.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "client/display/text.h"

namespace quantlab::client {

AssetCheck CheckAsset(const std::string& folder, const std::vector<AssetFile>& files) {
  int64_t bytes = 0;
  for (const AssetFile& file : files) {
    const std::string path = absl::StrCat(folder, "/", file.path);
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return {AssetCheck::kMissing, absl::StrCat(path, " is not here yet")};
    const absl::StatusOr<std::string> digest = Sha256OfFile(path);
    if (info.st_size != file.size || !digest.ok() || *digest != file.sha256) {
      return {AssetCheck::kDamaged, absl::StrCat(path, " is not what the catalogue says")};
    }
    bytes += info.st_size;
  }
  return {AssetCheck::kPresent, absl::StrCat(folder, ", ", HumanBytes(bytes), ", digests right")};
}

}  // namespace quantlab::client
