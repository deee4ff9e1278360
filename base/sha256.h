// SHA-256, the name of every artifact. Uses libcrypto, which uses the processor's instructions for it.
#ifndef QUANTLAB_BASE_SHA256_H_
#define QUANTLAB_BASE_SHA256_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// Threads: one object belongs to one thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(absl::string_view data);

  // The digest of all data so far, 64 lower-case hex digits. Call it once, last.
  std::string HexDigest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(absl::string_view data);

// Errors: NOT_FOUND, or what reading gave.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

// Whether `text` is 64 lower-case hex digits.
bool IsSha256Hex(absl::string_view text);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_SHA256_H_
