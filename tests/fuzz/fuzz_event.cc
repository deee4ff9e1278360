// Any text as a stored event, whose kind is the first byte: an event that is stored and read the same, or an
// error.
#include "codec/event_json.h"
#include "tests/fuzz/fuzz_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  if (size == 0) return 0;
  const size_t kind = data[0] % 8;
  const absl::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto event = quantlab::EventFromStoredJson(kind, text);
  if (!event.ok()) {
    CheckError(event.status());
    return 0;
  }
  const std::string stored = quantlab::EventToStoredJson(*event);
  const auto again = quantlab::EventFromStoredJson(kind, stored);
  Require(again.ok() && quantlab::EventToStoredJson(*again) == stored);
  Require(quantlab::RunnerEventToJson(*event).find('\n') == std::string::npos);
  return 0;
}
