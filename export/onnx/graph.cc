#include "export/onnx/graph.h"

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quantlab::model_export {
namespace {

template <typename T>
std::string BytesOf(const T* values, size_t count) {
  return std::string(reinterpret_cast<const char*>(values), count * sizeof(T));
}

void SetAttribute(onnx::AttributeProto& proto, const std::string& name, const AttributeValue& value) {
  proto.set_name(name);
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(*integer);
  } else if (const auto* number = std::get_if<float>(&value)) {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(*text);
  } else {
    proto.set_type(onnx::AttributeProto::INTS);
    for (const int64_t item : std::get<std::vector<int64_t>>(value)) proto.add_ints(item);
  }
}

}  // namespace

Graph::Graph(const std::string& name) {
  proto_.set_name(name);
}

void Graph::Describe(onnx::ValueInfoProto& value, const std::string& name, int32_t type,
                     const std::vector<std::string>& dims) {
  value.set_name(name);
  onnx::TypeProto::Tensor& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape();
  for (const std::string& dim : dims) {
    int64_t size = 0;
    if (absl::SimpleAtoi(dim, &size)) {
      tensor.mutable_shape()->add_dim()->set_dim_value(size);
    } else {
      tensor.mutable_shape()->add_dim()->set_dim_param(dim);
    }
  }
}

void Graph::AddInput(const std::string& name, int32_t type, const std::vector<std::string>& dims) {
  Describe(*proto_.add_input(), name, type, dims);
}

void Graph::AddOutput(const std::string& name, int32_t type, const std::vector<std::string>& dims) {
  Describe(*proto_.add_output(), name, type, dims);
}

std::string Graph::Node(const std::string& op, const std::vector<std::string>& inputs,
                        const Attributes& attributes, const std::string& output) {
  onnx::NodeProto& node = *proto_.add_node();
  node.set_op_type(op);
  const std::string unique = absl::StrCat(op, "_", uses_of_op_[op]++);
  node.set_name(output.empty() ? unique : absl::StrCat(op, "/", output));
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output.empty() ? unique : output);
  for (const auto& [name, value] : attributes) SetAttribute(*node.add_attribute(), name, value);
  return node.output(0);
}

std::vector<std::string> Graph::Nodes(const std::string& op, const std::vector<std::string>& inputs,
                                      int outputs, const Attributes& attributes) {
  const std::string first = Node(op, inputs, attributes);
  onnx::NodeProto& node = *proto_.mutable_node(proto_.node_size() - 1);
  std::vector<std::string> names = {first};
  for (int i = 1; i < outputs; ++i) {
    names.push_back(absl::StrCat(first, "_", i));
    node.add_output(names.back());
  }
  return names;
}

std::string Graph::Cast(const std::string& x, int32_t type, const std::string& output) {
  return Node("Cast", {x}, {{"to", int64_t{type}}}, output);
}

std::string Graph::Weight(Initializer weight) {
  const std::string name = weight.name;
  if (initializer_of_.emplace(name, initializers_.size()).second) initializers_.push_back(std::move(weight));
  return name;
}

int64_t Graph::elements_of(const std::string& weight) const {
  int64_t count = 1;
  for (const int64_t dim : initializers_[initializer_of_.at(weight)].dims) count *= dim;
  return count;
}

std::string Graph::Small(const std::string& name, int32_t type, const std::vector<int64_t>& dims,
                         std::string bytes) {
  const uint64_t size = bytes.size();
  return Weight({name, type, dims, size, [bytes = std::move(bytes)] { return bytes; }});
}

std::string Graph::Float(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return Small(absl::StrCat("constant/float_", absl::Hex(bits)), onnx_type::kFloat, {}, BytesOf(&value, 1));
}

std::string Graph::Double(double value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return Small(absl::StrCat("constant/double_", absl::Hex(bits)), onnx_type::kDouble, {}, BytesOf(&value, 1));
}

std::string Graph::Int64(int64_t value) {
  return Small(absl::StrCat("constant/int_", value), onnx_type::kInt64, {}, BytesOf(&value, 1));
}

std::string Graph::Int64s(const std::vector<int64_t>& values) {
  return Small(absl::StrCat("constant/ints_", absl::StrJoin(values, "_")), onnx_type::kInt64,
               {static_cast<int64_t>(values.size())}, BytesOf(values.data(), values.size()));
}

std::string Graph::Byte(uint8_t value) {
  return Small(absl::StrCat("constant/byte_", value), onnx_type::kUint8, {}, BytesOf(&value, 1));
}

}  // namespace quantlab::model_export
