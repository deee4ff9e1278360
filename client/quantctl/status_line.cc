#include "client/quantctl/status_line.h"

#include <string>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/display/text.h"

namespace quantlab::client {
namespace {

constexpr absl::Duration kBetweenUpdates = absl::Milliseconds(100);

void Write(const std::string& text) {
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // the terminal has gone
}

}  // namespace

void StatusLine::Show(const Message& step) {
  if (!session_.err().is_terminal || session_.quiet()) return;
  last_ = absl::Now();
  shown_ = true;
  Write(absl::StrCat("\r", Truncate(Printable(session_.Say(step)), session_.err().width - 1), "\033[K"));
}

void StatusLine::Update(const Message& progress) {
  if (absl::Now() - last_ >= kBetweenUpdates) Show(progress);
}

void StatusLine::Clear() {
  if (shown_) Write("\r\033[K");
  shown_ = false;
}

}  // namespace quantlab::client
