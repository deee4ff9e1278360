// Makes an ONNX graph node by node, with weights that are produced only while the file is written.
//
// Source: the ONNX specification, onnx.proto and Operators.md (github.com/onnx/onnx), opset 21.
#ifndef QUANTLAB_EXPORT_ONNX_GRAPH_H_
#define QUANTLAB_EXPORT_ONNX_GRAPH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <onnx/onnx_pb.h>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::model_export {

// Element types by their numbers in onnx.proto; Debian's header lacks those after 16.
namespace onnx_type {
inline constexpr int32_t kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7, kBool = 9, kFloat16 = 10,
                         kDouble = 11, kBfloat16 = 16, kFloat8E4m3fn = 17, kInt4 = 22;
}  // namespace onnx_type

// A constant tensor of the graph. `make` returns its bytes (little-endian, row-major; two elements of four
// bits in a byte, the first in the low half) and is called once, when the file is written.
struct Initializer {
  std::string name;
  int32_t type = onnx_type::kFloat;
  std::vector<int64_t> dims;
  uint64_t bytes = 0;
  std::function<absl::StatusOr<std::string>()> make;
};

using AttributeValue = std::variant<int64_t, float, std::string, std::vector<int64_t>>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

// Values are named by strings, as in ONNX. An output without a given name gets one that no other value has.
class Graph {
 public:
  explicit Graph(const std::string& name);

  void AddInput(const std::string& name, int32_t type, const std::vector<std::string>& dims);
  // The shape must be known where it is not symbolic: a number as text.
  void AddOutput(const std::string& name, int32_t type, const std::vector<std::string>& dims);

  // Adds a node with one output and returns its name.
  std::string Node(const std::string& op, const std::vector<std::string>& inputs,
                   const Attributes& attributes = {}, const std::string& output = "");
  // The same with several outputs.
  std::vector<std::string> Nodes(const std::string& op, const std::vector<std::string>& inputs, int outputs,
                                 const Attributes& attributes = {});
  std::string Cast(const std::string& x, int32_t type, const std::string& output = "");

  // Adds a weight and returns its name; one of that name that is there already stands.
  std::string Weight(Initializer weight);

  // Elements of a weight that was added.
  int64_t elements_of(const std::string& weight) const;

  // Scalars and short lists; equal ones share a tensor.
  std::string Float(float value);
  std::string Double(double value);
  std::string Int64(int64_t value);  // a scalar
  std::string Int64s(const std::vector<int64_t>& values);
  std::string Byte(uint8_t value);

  const onnx::GraphProto& proto() const { return proto_; }  // without initializers
  const std::vector<Initializer>& initializers() const { return initializers_; }

 private:
  std::string Small(const std::string& name, int32_t type, const std::vector<int64_t>& dims,
                    std::string bytes);
  static void Describe(onnx::ValueInfoProto& value, const std::string& name, int32_t type,
                       const std::vector<std::string>& dims);

  onnx::GraphProto proto_;
  std::vector<Initializer> initializers_;
  std::map<std::string, size_t> initializer_of_;
  std::map<std::string, int> uses_of_op_;
};

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_ONNX_GRAPH_H_
