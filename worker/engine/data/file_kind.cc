#include "worker/engine/data/file_kind.h"

#include <algorithm>
#include <string>

#include "base/messages/inputs.h"
#include "base/messages/message_catalogue.h"
#include "model_folder/first_bytes.h"

namespace quantlab::engine {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view beginning;
  const char* name;
  bool compressed;
};

// Source: the formats' own specifications; file(1)'s list of magic numbers.
constexpr Kind kKinds[] = {{"\x1F\x8B"sv, "gzip", true},
                           {"\xFD\x37zXZ\0"sv, "xz", true},
                           {"\x28\xB5\x2F\xFD"sv, "zstd", true},
                           {"7z\xBC\xAF\x27\x1C"sv, "7z", true},
                           {"Rar!\x1A\x07"sv, "RAR", true},
                           {"PK\x03\x04"sv, "ZIP / Excel (.xlsx)", false},
                           {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "Excel (.xls)", false},
                           {"PAR1\x15"sv, "Parquet", false},
                           {"ARROW1\0"sv, "Arrow", false},
                           {"\xFF\xFF\xFF\xFF"sv, "Arrow", false},
                           {"%PDF-"sv, "PDF", false},
                           {"SQLite format 3\0"sv, "SQLite", false},
                           {"\x93NUMPY"sv, "NumPy", false},
                           {"\x89HDF\r\n"sv, "HDF5", false}};

// bzip2's beginning is text but for the digits that follow. Source: bzip2's manual, "Bzip2 file format".
bool IsBzip2(std::string_view content) {
  return content.size() >= 10 && content.substr(0, 3) == "BZh" && content.substr(4, 6) == "1AY&SY";
}

}  // namespace

Message WhyNotText(std::string_view content) {
  if (IsBzip2(content)) return messages::kCompressed("bzip2");
  for (const Kind& kind : kKinds) {
    if (content.substr(0, kind.beginning.size()) != kind.beginning) continue;
    return kind.compressed ? messages::kCompressed(kind.name) : messages::kNoTextFile(kind.name);
  }
  const std::string foreign = DescribeForeign({content.data(), std::min(content.size(), kFirstBytes)});
  return foreign.empty() ? Message() : TextMessage(foreign);
}

}  // namespace quantlab::engine
