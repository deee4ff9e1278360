#include "client/quantctl/output.h"

#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

namespace quantlab::client {
namespace {

void EmitYaml(const Json& value, YAML::Emitter& out) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, item] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      EmitYaml(item, out);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const Json& item : value) EmitYaml(item, out);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    // Quoted always: "1", "true" and "null" are texts here.
    out << YAML::DoubleQuoted << value.get<std::string>();
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

}  // namespace

Json ToJsonValue(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return Json::object();
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string RenderDocument(const std::string& schema, const Json& body, const std::string& format) {
  Json document = Json::object();
  document["schema"] = "quantlab.v1/" + schema;
  for (const auto& [key, value] : body.items()) document[key] = value;
  if (format == "json") return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  YAML::Emitter out;
  out.SetOutputCharset(YAML::EmitNonAscii);
  EmitYaml(document, out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace quantlab::client
