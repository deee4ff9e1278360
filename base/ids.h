// Names that are made, not given: experiment ids, request ids, worker ids.
#ifndef QUANTLAB_BASE_IDS_H_
#define QUANTLAB_BASE_IDS_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace quantlab {

// Fills `size` bytes at `data` with random ones. Tests give one that counts.
// Threads: as the function given; the system's is safe.
using RandomBytes = std::function<void(unsigned char* data, size_t size)>;

// The kernel's generator (getrandom).
const RandomBytes& SystemRandom();

// `characters` of [a-z0-9], each equally likely. Six of them are about 2 thousand million names.
std::string RandomId(int characters);
std::string RandomId(int characters, const RandomBytes& random);

// What of `name` can stand in an id, a folder and a URL: lower-case [a-z0-9] words joined by single '-',
// at most 40 characters; "experiment" where nothing is left.
std::string Slug(absl::string_view name);

// "Quick look" gives "quick-look-k3f9a2". Unlikely to be taken, but not checked: the caller stores it.
std::string NewExperimentId(absl::string_view name);
std::string NewExperimentId(absl::string_view name, const RandomBytes& random);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_IDS_H_
