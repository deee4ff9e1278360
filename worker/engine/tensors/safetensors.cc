#include "worker/engine/tensors/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <set>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "model_folder/first_bytes.h"
#include "worker/engine/tensors/atomic_file.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {

// A private mapping: pages stay shared with the page cache until somebody writes into them.
class MappedFile {
 public:
  static absl::StatusOr<std::shared_ptr<MappedFile>> Open(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FileError(errno, "open", path);
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      close(fd);
      return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
    }
    const size_t size = static_cast<size_t>(info.st_size);
    void* data = nullptr;
    if (size > 0) data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    const int error = errno;
    close(fd);
    if (data == MAP_FAILED) return FileError(error, "map", path);
    return std::shared_ptr<MappedFile>(new MappedFile(data, size));
  }

  ~MappedFile() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return static_cast<char*>(data_); }
  uint64_t size() const { return size_; }

 private:
  MappedFile(void* data, size_t size) : data_(data), size_(size) {}

  void* data_;
  size_t size_;
};

namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr size_t kMaxDimensions = 32;
constexpr size_t kDataAlignment = 64;
constexpr char kMetadataKey[] = "__metadata__";

struct Dtype {
  const char* name;
  at::ScalarType type;
  uint64_t size;  // bytes
};
constexpr Dtype kDtypes[] = {
    {"F64", at::kDouble, 8},
    {"I64", at::kLong, 8},
    {"F32", at::kFloat, 4},
    {"I32", at::kInt, 4},
    {"F16", at::kHalf, 2},
    {"BF16", at::kBFloat16, 2},
    {"I16", at::kShort, 2},
    {"I8", at::kChar, 1},
    {"U8", at::kByte, 1},
    {"BOOL", at::kBool, 1},
    {"F8_E4M3", at::kFloat8_e4m3fn, 1},
};

const Dtype* FindDtype(const std::string& name) {
  for (const Dtype& dtype : kDtypes) {
    if (name == dtype.name) return &dtype;
  }
  return nullptr;
}

const Dtype* FindDtype(at::ScalarType type) {
  for (const Dtype& dtype : kDtypes) {
    if (type == dtype.type) return &dtype;
  }
  return nullptr;
}

uint64_t SizeOf(at::ScalarType type) {
  return FindDtype(type)->size;
}

// Checks the header and fills entries and metadata.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, const MappedFile& file) : path_(path), file_(file) {}

  absl::Status Parse() {
    QL_ASSIGN_OR_RETURN(const Json header, ParseJson());
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadataKey) {
        QL_RETURN_IF_ERROR(ParseMetadata(value));
      } else {
        QL_RETURN_IF_ERROR(ParseEntry(name, value));
      }
    }
    return CheckCoverage();
  }

  std::map<std::string, SafetensorsFile::Entry> entries;
  std::map<std::string, std::string> metadata;

 private:
  template <typename... Args>
  absl::Status Bad(const Args&... what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": not a valid safetensors file: ", what...));
  }
  template <typename... Args>
  absl::Status BadTensor(const std::string& name, const Args&... what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", name, ": ", what...));
  }

  absl::StatusOr<Json> ParseJson() {
    const absl::string_view first(file_.data(), std::min<uint64_t>(file_.size(), kFirstBytes));
    if (const std::string text = DescribeText(first); !text.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(path_, " ", text));
    }
    if (file_.size() < 8)
      return Bad("it has ", file_.size(), " bytes, too few for a header; is it truncated?");
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(file_.data()[i]);
    if (length > kMaxHeaderBytes) {
      return Bad("its header claims ", length, " bytes; at most ", kMaxHeaderBytes, " are allowed");
    }
    if (length > file_.size() - 8) {
      return Bad("its header claims ", length, " bytes, but the file has only ", file_.size(),
                 "; is it truncated?");
    }
    data_begin_ = 8 + length;
    const char* begin = file_.data() + 8;
    if (length == 0 || *begin != '{') return Bad("its header does not begin with '{'");
    return ParseWithoutDuplicates(begin, begin + length);
  }

  // nlohmann::json keeps the last of several equal keys; here they are an error.
  absl::StatusOr<Json> ParseWithoutDuplicates(const char* begin, const char* end) {
    const size_t size = static_cast<size_t>(end - begin);
    if (const absl::Status depth = CheckJsonDepth({begin, size}); !depth.ok()) return Bad(depth.message());
    std::vector<std::set<std::string>> keys;
    std::string duplicate;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
      using Event = Json::parse_event_t;
      if (event == Event::object_start) keys.emplace_back();
      if (event == Event::object_end) keys.pop_back();
      if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
        duplicate = parsed.get<std::string>();
      }
      return true;
    };
    try {
      Json header = Json::parse(begin, end, watch);
      if (!duplicate.empty()) return Bad("its header has the key ", duplicate, " twice");
      if (!header.is_object()) return Bad("its header is not a JSON object");
      return header;
    } catch (const Json::exception& e) {
      return Bad("its header is not JSON: ", e.what());
    }
  }

  absl::Status ParseMetadata(const Json& value) {
    if (value.is_null()) return absl::OkStatus();  // as the reference implementation reads it
    if (!value.is_object()) return Bad(kMetadataKey, " is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) return Bad(kMetadataKey, ".", key, " is not text");
      metadata[key] = text.get<std::string>();
    }
    return absl::OkStatus();
  }

  absl::Status ParseEntry(const std::string& name, const Json& value) {
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets") || value.size() != 3) {
      return BadTensor(name, "its header entry needs exactly dtype, shape and data_offsets");
    }
    if (!value["dtype"].is_string()) return BadTensor(name, "dtype is not text");
    const std::string dtype_name = value["dtype"].get<std::string>();
    const Dtype* dtype = FindDtype(dtype_name);
    if (dtype == nullptr) {
      return BadTensor(name, "dtype ", dtype_name,
                       " is not supported; allowed: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
    }
    SafetensorsFile::Entry entry{dtype->type, {}, 0, 0};
    uint64_t bytes = dtype->size;
    QL_RETURN_IF_ERROR(ParseShape(name, value["shape"], entry, bytes));
    QL_RETURN_IF_ERROR(ParseOffsets(name, value["data_offsets"], entry));
    if (entry.end - entry.begin != bytes) {
      return BadTensor(name, "its shape [", absl::StrJoin(entry.shape, ", "), "] of ", dtype_name, " takes ",
                       bytes, " bytes, but data_offsets span ", entry.end - entry.begin);
    }
    entries.emplace(name, std::move(entry));
    return absl::OkStatus();
  }

  absl::Status ParseShape(const std::string& name, const Json& shape, SafetensorsFile::Entry& entry,
                          uint64_t& bytes) {
    if (!shape.is_array() || shape.size() > kMaxDimensions) {
      return BadTensor(name, "shape is not a list of at most ", kMaxDimensions, " sizes");
    }
    bool overflow = false;
    uint64_t elements = 1;
    for (const Json& size : shape) {
      if (!size.is_number_unsigned() || size.get<uint64_t>() > std::numeric_limits<int64_t>::max()) {
        return BadTensor(name, "shape has ", size.dump(), ", which is not a size");
      }
      entry.shape.push_back(static_cast<int64_t>(size.get<uint64_t>()));
      // A zero among the sizes must not hide an overflow of the others: LibTorch multiplies them as well.
      const uint64_t factor = std::max<uint64_t>(size.get<uint64_t>(), 1);
      overflow |= __builtin_mul_overflow(elements, factor, &elements);
    }
    overflow |= __builtin_mul_overflow(elements, bytes, &bytes);
    if (overflow || bytes > std::numeric_limits<int64_t>::max()) {
      return BadTensor(name, "shape [", absl::StrJoin(entry.shape, ", "), "] overflows");
    }
    if (std::count(entry.shape.begin(), entry.shape.end(), 0) > 0) bytes = 0;
    return absl::OkStatus();
  }

  absl::Status ParseOffsets(const std::string& name, const Json& offsets, SafetensorsFile::Entry& entry) {
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      return BadTensor(name, "data_offsets is not a pair of offsets");
    }
    const uint64_t data_size = file_.size() - data_begin_;
    const uint64_t begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
    if (begin > end || end > data_size) {
      return BadTensor(name, "data_offsets [", begin, ", ", end, "] lie outside of the ", data_size,
                       " bytes of data in the file; is it truncated?");
    }
    entry.begin = data_begin_ + begin;
    entry.end = data_begin_ + end;
    return absl::OkStatus();
  }

  // Every byte of data belongs to exactly one tensor.
  absl::Status CheckCoverage() {
    std::vector<std::pair<const std::string*, const SafetensorsFile::Entry*>> order;
    for (const auto& [name, entry] : entries) order.emplace_back(&name, &entry);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
    });
    uint64_t position = data_begin_;
    const std::string* previous = nullptr;
    for (const auto& [name, entry] : order) {
      if (entry->begin < position) return BadTensor(*name, "overlaps tensor ", *previous);
      if (entry->begin > position) {
        return BadTensor(*name, "there are ", entry->begin - position,
                         " bytes before it that belong to none");
      }
      position = entry->end;
      previous = name;
    }
    if (position != file_.size()) {
      return Bad(file_.size() - position, " bytes at its end belong to no tensor");
    }
    return absl::OkStatus();
  }

  const std::string& path_;
  const MappedFile& file_;
  uint64_t data_begin_ = 0;
};

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  QL_ASSIGN_OR_RETURN(file.mapping_, MappedFile::Open(path));
  HeaderParser parser(path, *file.mapping_);
  QL_RETURN_IF_ERROR(parser.Parse());
  file.entries_ = std::move(parser.entries);
  file.metadata_ = std::move(parser.metadata);
  return file;
}

absl::StatusOr<at::Tensor> SafetensorsFile::Get(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return absl::NotFoundError(absl::StrCat(path_, ": there is no tensor ", name));
  const Entry& entry = it->second;
  char* data = mapping_->data() + entry.begin;
  return CatchTorch(absl::StrCat(path_, ": tensor ", name), [&]() -> at::Tensor {
    if (entry.begin % SizeOf(entry.dtype) == 0) {
      return at::from_blob(
          data, entry.shape, [keep = mapping_](void*) {}, at::dtype(entry.dtype));
    }
    at::Tensor copy = at::empty(entry.shape, at::dtype(entry.dtype));
    std::memcpy(copy.mutable_data_ptr(), data, entry.end - entry.begin);
    return copy;
  });
}

absl::StatusOr<TensorMap> SafetensorsFile::GetAll() const {
  TensorMap tensors;
  for (const auto& [name, entry] : entries_) {
    QL_ASSIGN_OR_RETURN(tensors[name], Get(name));
  }
  return tensors;
}

namespace {

struct Item {
  const std::string* name;
  at::Tensor tensor;  // as given; made contiguous on the CPU one at a time, while writing
  const Dtype* dtype;
};

absl::StatusOr<std::vector<Item>> OrderItems(const std::string& path, const TensorMap& tensors) {
  std::vector<Item> items;
  for (const auto& [name, tensor] : tensors) {
    const Dtype* dtype = tensor.defined() ? FindDtype(tensor.scalar_type()) : nullptr;
    if (dtype == nullptr || name == kMetadataKey) {
      return absl::InvalidArgumentError(
          absl::StrCat("writing ", path, ": tensor ", name, " has a name or dtype that safetensors lacks"));
    }
    items.push_back({&name, tensor, dtype});
  }
  // TensorMap is in order of name already.
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.dtype->size > b.dtype->size; });
  return items;
}

absl::StatusOr<std::string> MakeHeader(const std::string& path, const std::vector<Item>& items,
                                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t offset = 0;
  for (const Item& item : items) {
    const uint64_t end = offset + static_cast<uint64_t>(item.tensor.numel()) * item.dtype->size;
    header[*item.name] = {
        {"dtype", item.dtype->name}, {"shape", item.tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& e) {  // a name that is not UTF-8
    return absl::InvalidArgumentError(absl::StrCat("writing ", path, ": ", e.what()));
  }
  text.append((kDataAlignment - (8 + text.size()) % kDataAlignment) % kDataAlignment, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

}  // namespace

absl::Status WriteSafetensors(const std::string& path, const TensorMap& tensors,
                              const std::map<std::string, std::string>& metadata) {
  QL_ASSIGN_OR_RETURN(const std::vector<Item> items, OrderItems(path, tensors));
  QL_ASSIGN_OR_RETURN(const std::string header, MakeHeader(path, items, metadata));
  QL_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  QL_RETURN_IF_ERROR(file.Write(header.data(), header.size()));
  for (const Item& item : items) {
    QL_RETURN_IF_ERROR(CatchTorch(absl::StrCat("writing ", path), [&]() -> absl::Status {
      const at::Tensor data = item.tensor.detach().cpu().contiguous();
      return file.Write(data.const_data_ptr(), data.nbytes());
    }));
  }
  return file.Commit();
}

}  // namespace quantlab::engine
