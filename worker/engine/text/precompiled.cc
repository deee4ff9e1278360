#include "worker/engine/text/precompiled.h"

#include "absl/status/status.h"
#include "base/text/utf8.h"
#include "worker/engine/text/graphemes.h"

namespace quantlab::engine {
namespace {

constexpr size_t kLongCluster = 6;  // bytes

// The fields of one unit of a Darts double array (darts-clone's darts.h).
bool HasLeaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t Value(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t Label(uint32_t unit) {
  return unit & 0x800000FF;
}
uint32_t Offset(uint32_t unit) {
  return unit >> 10 << ((unit & 1U << 9) >> 6);
}

uint32_t LittleEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

absl::StatusOr<PrecompiledMap> PrecompiledMap::Parse(std::string_view blob) {
  PrecompiledMap map;
  if (blob.empty()) return map;
  const auto malformed = [] { return absl::InvalidArgumentError("precompiled_charsmap is malformed"); };
  if (blob.size() < 4) return malformed();
  const size_t length = LittleEndian(blob);
  blob.remove_prefix(4);
  if (length > blob.size() || length % 4 != 0) return malformed();
  for (size_t i = 0; i < length; i += 4) map.units_.push_back(LittleEndian(blob.substr(i)));
  map.replacements_ = std::string(blob.substr(length));
  if (!IsValidUtf8(map.replacements_)) return malformed();
  return map;
}

std::optional<std::string_view> PrecompiledMap::Find(std::string_view key) const {
  if (units_.empty()) return std::nullopt;
  size_t node = Offset(units_[0]);
  for (const char c : key) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= units_.size() || Label(units_[node]) != byte) return std::nullopt;
    const bool found = HasLeaf(units_[node]);
    node ^= Offset(units_[node]);
    if (!found) continue;
    if (node >= units_.size() || Value(units_[node]) > replacements_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(Value(units_[node]));
    const std::string_view replacement = rest.substr(0, rest.find('\0'));
    // A malformed map may point into the middle of a character.
    return IsValidUtf8(replacement) ? std::optional(replacement) : std::nullopt;
  }
  return std::nullopt;
}

std::string PrecompiledMap::Normalize(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::string_view cluster = text.substr(0, GraphemeLength(text));
    text.remove_prefix(cluster.size());
    if (cluster.size() < kLongCluster) {
      if (const auto replacement = Find(cluster)) {
        out.append(*replacement);
        continue;
      }
    }
    while (!cluster.empty()) {
      const std::string_view one = cluster.substr(0, static_cast<size_t>(DecodeUtf8(cluster).length));
      out.append(Find(one).value_or(one));
      cluster.remove_prefix(one.size());
    }
  }
  return out;
}

}  // namespace quantlab::engine
