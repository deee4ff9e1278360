#include "worker/engine/tensors/torch_status.h"

#include <exception>
#include <new>
#include <string>

#include <c10/util/Exception.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quantlab::engine {
namespace {

absl::Status OutOfMemory(absl::string_view doing, absl::string_view detail) {
  return absl::ResourceExhaustedError(absl::StrCat(
      doing, ": out of memory; use a smaller batch_size or max_length, or a device with more memory (",
      detail, ")"));
}

}  // namespace

absl::Status CurrentTorchError(absl::string_view doing) {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& e) {
    return OutOfMemory(doing, e.what_without_backtrace());
  } catch (const c10::Error& e) {
    const std::string message = e.what_without_backtrace();
    // The CPU allocator throws a plain c10::Error.
    if (absl::StrContains(message, "can't allocate memory")) return OutOfMemory(doing, message);
    return absl::InternalError(absl::StrCat(doing, ": ", message));
  } catch (const std::bad_alloc&) {
    return OutOfMemory(doing, "std::bad_alloc");
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(doing, ": ", e.what()));
  } catch (...) {
    return absl::InternalError(absl::StrCat(doing, ": unknown exception"));
  }
}

}  // namespace quantlab::engine
