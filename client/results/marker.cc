#include "client/results/marker.h"

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A text of an object; empty where there is none.
std::string TextOf(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

std::optional<ResultsMarker> ReadMarker(const fs::path& folder) {
  const absl::StatusOr<std::string> text = ReadFile((folder / kMarker).string(), kMarkerLimit);
  if (!text.ok()) return std::nullopt;
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || TextOf(json, "id").empty()) return std::nullopt;
  ResultsMarker marker{TextOf(json, "id"), TextOf(json, "name"), TextOf(json, "state"), {}, {}};
  std::error_code error;
  marker.written = fs::last_write_time(folder / kMarker, error);
  if (error) return std::nullopt;
  const auto files = json.find("files");
  if (files == json.end() || !files->is_array()) return marker;
  for (const Json& file : *files) {
    if (file.is_string()) marker.files.insert(file.get<std::string>());
  }
  return marker;
}

std::string MarkerText(const ResultsMarker& marker) {
  Json json = Json::object();
  json["schema"] = "quantlab.v1/Results";
  json["id"] = marker.id;
  json["name"] = marker.name;
  json["state"] = marker.state;
  json["files"] = marker.files;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::Status FromError(const std::error_code& error, const char* action, const fs::path& path) {
  return FileError(error.value(), action, path.string());
}

}  // namespace quantlab::client
