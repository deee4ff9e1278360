#include "proto/json.h"

#include <memory>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include "absl/strings/str_cat.h"
#include "base/text/utf8.h"

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
  // Fails only on strings that are not UTF-8 and on times out of range; conversions make neither.
  const auto status = pbu::BinaryToJsonString(
      resolver, absl::StrCat(kUrlPrefix, "/", std::string(message.GetDescriptor()->full_name())),
      DeterministicBytes(message), &json, options);
  return status.ok() ? json : "{}";
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
  return RepairUtf8({text.data(), text.size()});
}

}  // namespace quantlab
