// Tokens: opaque random texts that say who calls.
#ifndef QUANTLAB_SECURITY_TOKEN_H_
#define QUANTLAB_SECURITY_TOKEN_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/records/ids.h"

namespace quantlab {

// "qlt_" and 43 characters of [A-Za-z0-9_-] that spell 256 random bits. The prefix lets scanners of logs and
// repositories recognise a token.
std::string NewToken(const RandomBytes& random = SystemRandom());

// Whether `text` has the form of a token.
bool IsToken(absl::string_view text);

// What is stored in place of a token: its SHA-256 in hex. A slow hash is for secrets that people choose; 256
// random bits cannot be guessed.
std::string TokenDigest(absl::string_view token);

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_TOKEN_H_
