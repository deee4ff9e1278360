#include "worker/engine/measure/proc_file.h"

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace quantlab::engine {

std::string FirstLineValue(const std::string& path, absl::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    absl::string_view text = line;
    if (!absl::ConsumePrefix(&text, key)) continue;
    const size_t colon = text.find(':');
    if (colon != absl::string_view::npos)
      return std::string(absl::StripAsciiWhitespace(text.substr(colon + 1)));
  }
  return "";
}

}  // namespace quantlab::engine
