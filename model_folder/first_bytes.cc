#include "model_folder/first_bytes.h"

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"

namespace quantlab {
namespace {

// A control character that no text has, or a byte that no UTF-8 has.
bool IsBinary(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool control = byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
  return control || byte == 0x7F || byte == 0xC0 || byte == 0xC1 || byte >= 0xF5;
}

}  // namespace

absl::StatusOr<std::string> ReadFirstBytes(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return FileError(errno == 0 ? EIO : errno, "open", path);
  std::string bytes(kFirstBytes, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

std::string DescribeForeign(absl::string_view first_bytes) {
  if (absl::StartsWith(first_bytes, "version https://git-lfs.github.com/spec/")) {
    return "is a Git LFS pointer, not the file itself; run \"git lfs pull\" in the folder it was cloned to";
  }
  const std::string begin = absl::AsciiStrToLower(absl::StripLeadingAsciiWhitespace(first_bytes));
  if (absl::StartsWith(begin, "<!doctype html") || absl::StartsWith(begin, "<html")) {
    return "is an HTML page, not the file itself; download the file rather than the page that shows it";
  }
  return "";
}

std::string DescribeText(absl::string_view first_bytes) {
  constexpr size_t kQuoted = 40;
  const std::string foreign = DescribeForeign(first_bytes);
  if (!foreign.empty()) return foreign;
  if (first_bytes.size() < 8 || std::any_of(first_bytes.begin(), first_bytes.end(), IsBinary)) return "";
  return absl::StrCat("is text, not weights: it begins with \"",
                      absl::CHexEscape(first_bytes.substr(0, kQuoted)), "\"; download it again");
}

}  // namespace quantlab
