#include "model_folder/pickled_state.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr size_t kMaxValues = 10'000'000;  // a model has a few thousand tensors of about 20 values each
constexpr size_t kMaxDimensions = 32;
constexpr int kMaxDepth = 8;

struct Value;
using List = std::vector<Value>;

struct Mark {};
struct None {};
struct Global {
  std::string name;  // "torch._utils._rebuild_tensor_v2"
};
struct Storage {
  std::string type, key;
};
struct Tuple {
  std::shared_ptr<const List> items;
  int depth = 1;  // of tuples within tuples
};
// An item of which only a tensor and its name are kept: values cannot be nested without end, nor in a circle.
struct Item {
  std::optional<std::string> name;
  std::optional<PickledTensor> tensor;
};
// Shared, as pickles refer to a dict that is still being filled.
struct Dict {
  std::shared_ptr<std::vector<Item>> items;
};
struct Value {
  std::variant<Mark, None, bool, int64_t, double, std::string, Global, Storage, Tuple, Dict, PickledTensor>
      of;
};

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("its pickle ", what));
}

absl::Status Truncated() {
  return Bad("ends too early");
}

Value NewDict() {
  return Value{Dict{std::make_shared<std::vector<Item>>()}};
}

absl::StatusOr<Value> NewTuple(List items) {
  int depth = 1;
  for (const Value& item : items) {
    if (const auto* inner = std::get_if<Tuple>(&item.of)) depth = std::max(depth, inner->depth + 1);
  }
  if (depth > kMaxDepth) return Bad("nests tuples too deep for a state dict");
  return Value{Tuple{std::make_shared<const List>(std::move(items)), depth}};
}

// A tuple of sizes.
absl::StatusOr<std::vector<int64_t>> Sizes(const Value& value) {
  const auto* tuple = std::get_if<Tuple>(&value.of);
  if (tuple == nullptr || tuple->items->size() > kMaxDimensions) {
    return Bad("has a tensor whose shape is not a tuple");
  }
  std::vector<int64_t> sizes;
  for (const Value& item : *tuple->items) {
    const auto* size = std::get_if<int64_t>(&item.of);
    if (size == nullptr || *size < 0) return Bad("has a tensor whose shape is not made of sizes");
    sizes.push_back(*size);
  }
  return sizes;
}

// _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
absl::StatusOr<Value> RebuildTensor(const List& arguments) {
  if (arguments.size() < 4) return Bad("has a tensor without a storage, an offset, a shape and strides");
  const auto* storage = std::get_if<Storage>(&arguments[0].of);
  const auto* offset = std::get_if<int64_t>(&arguments[1].of);
  if (storage == nullptr || offset == nullptr || *offset < 0) return Bad("has a tensor without a storage");
  PickledTensor tensor;
  tensor.storage_type = storage->type;
  tensor.storage_key = storage->key;
  tensor.offset = *offset;
  QL_ASSIGN_OR_RETURN(tensor.shape, Sizes(arguments[2]));
  QL_ASSIGN_OR_RETURN(tensor.strides, Sizes(arguments[3]));
  if (tensor.shape.size() != tensor.strides.size())
    return Bad("has a tensor whose strides do not fit its shape");
  return Value{std::move(tensor)};
}

// What calling `global` gives.
absl::StatusOr<Value> Call(const Global& global, const List& arguments) {
  if (global.name == "collections.OrderedDict" && arguments.empty()) return NewDict();
  if (global.name == "torch._utils._rebuild_tensor_v2") return RebuildTensor(arguments);
  if (global.name == "torch._utils._rebuild_parameter" && !arguments.empty() &&
      std::holds_alternative<PickledTensor>(arguments[0].of)) {
    return arguments[0];
  }
  return Bad(absl::StrCat("calls ", global.name, "; only a dict of tensors is read"));
}

class Reader {
 public:
  explicit Reader(absl::string_view pickle) : rest_(pickle) {}

  // The value at which the pickle stops.
  absl::StatusOr<Value> Read() {
    for (size_t values = 0; values < kMaxValues; ++values) {
      QL_ASSIGN_OR_RETURN(const absl::string_view opcode, Take(1));
      if (opcode[0] == '.') {
        if (stack_.size() != 1) return Bad("does not end with one value");
        return std::move(stack_[0]);
      }
      QL_RETURN_IF_ERROR(Step(opcode[0]));
    }
    return Bad("has too many values for a model");
  }

 private:
  absl::StatusOr<absl::string_view> Take(size_t count) {
    if (rest_.size() < count) return Truncated();
    const absl::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  // A little-endian number of `count` bytes, at most 8.
  absl::StatusOr<uint64_t> Number(size_t count) {
    QL_ASSIGN_OR_RETURN(const absl::string_view bytes, Take(count));
    uint64_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }

  absl::StatusOr<absl::string_view> Line() {
    const size_t end = rest_.find('\n');
    if (end == absl::string_view::npos) return Truncated();
    const absl::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }

  absl::Status Push(Value value) {
    stack_.push_back(std::move(value));
    return absl::OkStatus();
  }

  absl::StatusOr<Value> Pop() {
    if (stack_.empty() || std::holds_alternative<Mark>(stack_.back().of))
      return Bad("takes a value that is not there");
    Value value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }

  // All behind the last mark, which goes too.
  absl::StatusOr<List> PopToMark() {
    size_t begin = stack_.size();
    while (begin > 0 && !std::holds_alternative<Mark>(stack_[begin - 1].of)) --begin;
    if (begin == 0) return Bad("takes values up to a mark that is not there");
    List values(std::make_move_iterator(stack_.begin() + static_cast<std::ptrdiff_t>(begin)),
                std::make_move_iterator(stack_.end()));
    stack_.resize(begin - 1);
    return values;
  }

  absl::Status PushTupleOf(size_t count) {
    List items(count);
    for (size_t i = count; i-- > 0;) {
      QL_ASSIGN_OR_RETURN(items[i], Pop());
    }
    return PushTuple(std::move(items));
  }
  absl::Status PushTuple(List items) {
    QL_ASSIGN_OR_RETURN(Value tuple, NewTuple(std::move(items)));
    return Push(std::move(tuple));
  }

  absl::Status Memoize(uint64_t key) {
    if (stack_.empty() || memo_.size() > kMaxValues) return Bad("remembers a value that is not there");
    memo_[key] = stack_.back();
    return absl::OkStatus();
  }

  absl::Status Recall(uint64_t key) {
    const auto it = memo_.find(key);
    return it == memo_.end() ? Bad("recalls a value that it never had") : Push(it->second);
  }

  absl::Status SetItems(const List& items) {
    const Dict* dict = stack_.empty() ? nullptr : std::get_if<Dict>(&stack_.back().of);
    if (dict == nullptr || items.size() % 2 != 0) return Bad("fills something that is not a dict");
    for (size_t i = 0; i < items.size(); i += 2) {
      Item item;
      if (const auto* name = std::get_if<std::string>(&items[i].of)) item.name = *name;
      if (const auto* tensor = std::get_if<PickledTensor>(&items[i + 1].of)) item.tensor = *tensor;
      dict->items->push_back(std::move(item));
    }
    return absl::OkStatus();
  }

  absl::Status PushGlobal() {
    QL_ASSIGN_OR_RETURN(const absl::string_view module, Line());
    QL_ASSIGN_OR_RETURN(const absl::string_view name, Line());
    return Push(Value{Global{absl::StrCat(module, ".", name)}});
  }

  // ("storage", class, key, device, elements)
  absl::Status PushStorage() {
    QL_ASSIGN_OR_RETURN(const Value id, Pop());
    const auto* parts = std::get_if<Tuple>(&id.of);
    if (parts == nullptr || parts->items->size() < 3) return Bad("refers to something that is not a storage");
    const auto* type = std::get_if<Global>(&(*parts->items)[1].of);
    const auto* key = std::get_if<std::string>(&(*parts->items)[2].of);
    if (type == nullptr || key == nullptr || !absl::StartsWith(type->name, "torch.")) {
      return Bad("refers to something that is not a storage");
    }
    return Push(Value{Storage{type->name.substr(6), *key}});
  }

  absl::Status Reduce() {
    QL_ASSIGN_OR_RETURN(const Value arguments, Pop());
    QL_ASSIGN_OR_RETURN(const Value callee, Pop());
    const auto* global = std::get_if<Global>(&callee.of);
    const auto* tuple = std::get_if<Tuple>(&arguments.of);
    if (global == nullptr || tuple == nullptr) return Bad("calls something that is not a function");
    QL_ASSIGN_OR_RETURN(Value result, Call(*global, *tuple->items));
    return Push(std::move(result));
  }

  absl::Status PushText(size_t length_bytes) {
    QL_ASSIGN_OR_RETURN(const uint64_t length, Number(length_bytes));
    QL_ASSIGN_OR_RETURN(const absl::string_view text, Take(length));
    return Push(Value{std::string(text)});
  }

  absl::Status PushLong() {
    QL_ASSIGN_OR_RETURN(const uint64_t length, Number(1));
    if (length > 8) return Bad("has a number of more than 64 bits");
    QL_ASSIGN_OR_RETURN(uint64_t value, Number(length));
    const bool negative = length > 0 && length < 8 && (value >> (8 * length - 1) & 1) != 0;
    if (negative) value |= ~uint64_t{0} << (8 * length);
    return Push(Value{static_cast<int64_t>(value)});
  }

  absl::Status PushInteger(size_t bytes) {
    QL_ASSIGN_OR_RETURN(const uint64_t value, Number(bytes));
    return Push(Value{bytes == 4 ? int64_t{static_cast<int32_t>(value)} : static_cast<int64_t>(value)});
  }

  // The attributes that a class would give its object: a state dict keeps its versions there.
  absl::Status DropState() {
    QL_RETURN_IF_ERROR(Pop().status());
    return stack_.empty() ? Bad("describes a value that is not there") : absl::OkStatus();
  }

  absl::Status Step(char opcode);

  absl::string_view rest_;
  List stack_;
  std::map<uint64_t, Value> memo_;
};

absl::Status Reader::Step(char opcode) {
  switch (opcode) {
    case '\x80':  // PROTO
      return Take(1).status();
    case 'c':
      return PushGlobal();
    case 'q':
    case 'r': {
      QL_ASSIGN_OR_RETURN(const uint64_t key, Number(opcode == 'q' ? 1 : 4));
      return Memoize(key);
    }
    case 'h':
    case 'j': {
      QL_ASSIGN_OR_RETURN(const uint64_t key, Number(opcode == 'h' ? 1 : 4));
      return Recall(key);
    }
    case '(':
      return Push(Value{Mark{}});
    case ')':
      return PushTuple(List());
    case '}':
      return Push(NewDict());
    case 't': {
      QL_ASSIGN_OR_RETURN(List items, PopToMark());
      return PushTuple(std::move(items));
    }
    case '\x85':
      return PushTupleOf(1);
    case '\x86':
      return PushTupleOf(2);
    case '\x87':
      return PushTupleOf(3);
    case 's': {
      QL_ASSIGN_OR_RETURN(Value value, Pop());
      QL_ASSIGN_OR_RETURN(Value key, Pop());
      return SetItems({std::move(key), std::move(value)});
    }
    case 'u': {
      QL_ASSIGN_OR_RETURN(const List items, PopToMark());
      return SetItems(items);
    }
    case 'X':
      return PushText(4);
    case 'K':
      return PushInteger(1);
    case 'M':
      return PushInteger(2);
    case 'J':
      return PushInteger(4);
    case '\x8a':
      return PushLong();
    case 'G': {
      QL_RETURN_IF_ERROR(Take(8).status());
      return Push(Value{0.0});  // no tensor depends on a float
    }
    case '\x88':
    case '\x89':
      return Push(Value{opcode == '\x88'});
    case 'N':
      return Push(Value{None{}});
    case 'Q':
      return PushStorage();
    case 'R':
      return Reduce();
    case 'b':
      return DropState();
    default:
      return Bad(absl::StrFormat("has the opcode 0x%02X, which a state dict does not need",
                                 static_cast<unsigned>(static_cast<unsigned char>(opcode))));
  }
}

}  // namespace

absl::StatusOr<std::vector<PickledTensor>> ParsePickledState(absl::string_view pickle) {
  QL_ASSIGN_OR_RETURN(const Value value, Reader(pickle).Read());
  const auto* dict = std::get_if<Dict>(&value.of);
  if (dict == nullptr) return Bad("is not a dict of tensors");
  std::vector<PickledTensor> tensors;
  std::set<std::string> names;
  for (const Item& item : *dict->items) {
    if (!item.name.has_value() || !item.tensor.has_value()) {
      return Bad(absl::StrCat("is not a dict of tensors: ", item.name.value_or("a key"),
                              " is something else; save model.state_dict() alone"));
    }
    if (!names.insert(*item.name).second) return Bad(absl::StrCat("has tensor ", *item.name, " twice"));
    tensors.push_back(*item.tensor);
    tensors.back().name = *item.name;
  }
  return tensors;
}

}  // namespace quantlab
