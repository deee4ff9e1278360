// Generated names: experiment ids, request ids, worker ids.
#ifndef QUANTLAB_BASE_RECORDS_IDS_H_
#define QUANTLAB_BASE_RECORDS_IDS_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace quantlab {

// Fills `size` bytes at `data` with random ones. Tests use a deterministic one.
// Threads: depends on the function; the system's is safe.
using RandomBytes = std::function<void(unsigned char* data, size_t size)>;

// The kernel's generator (getrandom).
const RandomBytes& SystemRandom();

// `characters` of [a-z0-9], each equally likely. Six of them are about 2 thousand million names.
std::string RandomId(int characters);
std::string RandomId(int characters, const RandomBytes& random);

// `name` in a form for ids, folders and URLs: lower-case [a-z0-9] words joined by single '-', at most 40
// characters; "experiment" where nothing is left.
std::string Slug(absl::string_view name);

// "Quick look" gives "quick-look-k3f9a2". Collisions are unlikely but not checked: the caller stores it.
std::string NewExperimentId(absl::string_view name);
std::string NewExperimentId(absl::string_view name, const RandomBytes& random);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_IDS_H_
