#include "client/hub/hub_listing.h"

#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "base/git_blob.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "platform/paths.h"

namespace quantlab::client {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostFiles = 20'000;

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<int64_t> SizeOf(const Json& object) {
  const auto found = object.find("size");
  if (found == object.end() || !found->is_number_integer() || found->get<int64_t>() < 0) return std::nullopt;
  return found->get<int64_t>();
}

std::optional<HubFile> FileOf(const Json& sibling) {
  if (!sibling.is_object()) return std::nullopt;
  HubFile file;
  file.path = TextOf(sibling, "rfilename");
  const auto lfs = sibling.find("lfs");
  const bool in_lfs = lfs != sibling.end() && lfs->is_object();
  file.digest = in_lfs ? TextOf(*lfs, "sha256") : TextOf(sibling, "blobId");
  const std::optional<int64_t> size = SizeOf(in_lfs && lfs->contains("size") ? *lfs : sibling);
  const bool known = in_lfs ? IsSha256Hex(file.digest) : IsGitId(file.digest);
  if (!known || !size.has_value() || !IsSafeRelativePath(file.path)) return std::nullopt;
  file.size = *size;
  return file;
}

}  // namespace

absl::StatusOr<HubListing> ParseListing(absl::string_view json) {
  QL_RETURN_IF_ERROR(CheckJsonDepth(json));
  const Json listing = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!listing.is_object()) return absl::InvalidArgumentError("the listing is no JSON object");
  HubListing parsed;
  parsed.commit = TextOf(listing, "sha");
  if (!IsGitId(parsed.commit)) return absl::InvalidArgumentError("the listing has no commit");
  const auto siblings = listing.find("siblings");
  if (siblings == listing.end() || !siblings->is_array()) {
    return absl::InvalidArgumentError("the listing has no files");
  }
  if (siblings->size() > kMostFiles) return absl::InvalidArgumentError("the listing has too many files");
  for (const Json& sibling : *siblings) {
    if (std::optional<HubFile> file = FileOf(sibling)) parsed.files.push_back(*std::move(file));
  }
  return parsed;
}

}  // namespace quantlab::client
