#include "worker/engine/data/readers.h"

#include <absl/strings/str_cat.h>

namespace quantlab::engine {

const std::vector<std::unique_ptr<DatasetFormat>>& AllFormats() {
  static const auto* const formats = [] {
    auto* list = new std::vector<std::unique_ptr<DatasetFormat>>();
    list->push_back(MakeAclImdbFormat());
    list->push_back(MakeCsvFormat());
    list->push_back(MakeTsvFormat());
    list->push_back(MakeJsonlFormat());
    list->push_back(MakeOrangeTabFormat());
    return list;
  }();
  return *formats;
}

std::string Where(const RawRow& row) {
  const std::string path(row.path);
  return row.line == 0 ? path : absl::StrCat(path, ":", row.line);
}

}  // namespace quantlab::engine
