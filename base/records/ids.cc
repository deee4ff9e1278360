#include "base/records/ids.h"

#include <cerrno>
#include <cstdlib>
#include <sys/random.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

constexpr absl::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr size_t kMaxSlug = 40;

void FillFromKernel(unsigned char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = getrandom(data, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      // Reached only on a kernel without the call; an id that is not random is worse than none.
      std::abort();
    }
    data += got;
    size -= static_cast<size_t>(got);
  }
}

}  // namespace

const RandomBytes& SystemRandom() {
  static const auto* const random = new RandomBytes(FillFromKernel);
  return *random;
}

std::string RandomId(int characters) {
  return RandomId(characters, SystemRandom());
}

std::string RandomId(int characters, const RandomBytes& random) {
  // Bytes from here on are drawn again: 256 is not a multiple of 36, and a plain remainder would favour
  // the first letters.
  constexpr int kLimit = 256 / static_cast<int>(kAlphabet.size()) * static_cast<int>(kAlphabet.size());
  std::string id;
  while (static_cast<int>(id.size()) < characters) {
    unsigned char bytes[16];
    random(bytes, sizeof(bytes));
    for (const unsigned char byte : bytes) {
      if (byte < kLimit && static_cast<int>(id.size()) < characters) {
        id.push_back(kAlphabet[byte % kAlphabet.size()]);
      }
    }
  }
  return id;
}

std::string Slug(absl::string_view name) {
  std::string slug;
  for (const char c : name) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      slug.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    } else if (!slug.empty() && slug.back() != '-') {
      slug.push_back('-');
    }
    if (slug.size() == kMaxSlug) break;
  }
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug.empty() ? "experiment" : slug;
}

std::string NewExperimentId(absl::string_view name) {
  return NewExperimentId(name, SystemRandom());
}

std::string NewExperimentId(absl::string_view name, const RandomBytes& random) {
  return absl::StrCat(Slug(name), "-", RandomId(6, random));
}

}  // namespace quantlab
