#include "proto/json.h"

#include <cstdint>
#include <memory>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

namespace pbu = google::protobuf::util;

constexpr char kUrlPrefix[] = "type.googleapis.com";

// Serialized with map keys in order, which MessageToJsonString does not do.
std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

std::string Print(const google::protobuf::Message& message) {
  static pbu::TypeResolver* const resolver =
      pbu::NewTypeResolverForDescriptorPool(kUrlPrefix, google::protobuf::DescriptorPool::generated_pool());
  pbu::JsonPrintOptions options;
  std::string json;
  // Fails only on strings that are no UTF-8 and times out of range; conversions make neither.
  const auto status = pbu::BinaryToJsonString(
      resolver, absl::StrCat(kUrlPrefix, "/", std::string(message.GetDescriptor()->full_name())),
      DeterministicBytes(message), &json, options);
  return status.ok() ? json : "{}";
}

// Bytes of the UTF-8 sequence at the start of `text`; 0 where there is none. Refuses overlong forms,
// surrogates and what lies beyond U+10FFFF (RFC 3629, section 4).
size_t SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  uint8_t low = 0x80, high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  return Print(message);
}

absl::Status FromJson(absl::string_view text, google::protobuf::Message* message) {
  pbu::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = pbu::JsonStringToMessage({text.data(), text.size()}, message, options);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("this is not the JSON of a ",
                                                 std::string(message->GetDescriptor()->name()), ": ",
                                                 std::string(status.message())));
}

std::string ValidUtf8(absl::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) {
      valid.append("\xEF\xBF\xBD");
      text.remove_prefix(1);
    } else {
      valid.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  return valid;
}

}  // namespace quantlab
