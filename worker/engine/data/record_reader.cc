#include "worker/engine/data/record_reader.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/data/file_util.h"

namespace quantlab::engine {

absl::StatusOr<bool> RecordReader::Next(std::vector<std::string>* fields) {
  while (TakeLineEnd()) {
  }
  return NextLine(fields);
}

absl::StatusOr<bool> RecordReader::NextLine(std::vector<std::string>* fields) {
  fields->clear();
  record_line_ = line_;
  if (rest_.empty()) return false;
  while (true) {
    std::string& field = fields->emplace_back();
    SkipBlanksBeforeQuote();
    const bool quoted = syntax_.quoted && !rest_.empty() && rest_[0] == '"';
    QL_RETURN_IF_ERROR(quoted ? ReadQuoted(&field) : ReadBare(&field));
    if (rest_.empty() || TakeLineEnd()) return true;
    rest_.remove_prefix(1);  // the separator
  }
}

// Takes a line end, if there is one at the start of what is left.
bool RecordReader::TakeLineEnd() {
  const size_t length = rest_.rfind("\r\n", 0) == 0                              ? 2
                        : rest_.rfind('\n', 0) == 0 || rest_.rfind('\r', 0) == 0 ? 1
                                                                                 : 0;
  rest_.remove_prefix(length);
  line_ += length > 0 ? 1 : 0;
  return length > 0;
}

// People leave blanks between a separator and a quote.
void RecordReader::SkipBlanksBeforeQuote() {
  if (!syntax_.quoted || syntax_.bare_quotes) return;
  const size_t blanks = rest_.find_first_not_of(' ');
  if (blanks != std::string_view::npos && rest_[blanks] == '"') rest_.remove_prefix(blanks);
}

bool RecordReader::AtFieldEnd() const {
  return rest_.empty() || rest_[0] == syntax_.separator || rest_[0] == '\n' || rest_[0] == '\r';
}

absl::Status RecordReader::ReadQuoted(std::string* field) {
  const int64_t opened = line_;
  rest_.remove_prefix(1);
  while (true) {
    const size_t quote = rest_.find('"');
    if (quote == std::string_view::npos) {
      return Malformed(opened, messages::kQuoteUnclosed());
    }
    Append(rest_.substr(0, quote), field);
    if (absl::Status checked = CheckField(*field, limits_, path_, line_); !checked.ok()) return checked;
    rest_.remove_prefix(quote + 1);
    if (rest_.empty() || rest_[0] != '"') break;
    field->push_back('"');  // two quotes encode one
    rest_.remove_prefix(1);
  }
  const std::string_view rest = rest_;
  rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
  if (AtFieldEnd()) return absl::OkStatus();
  rest_ = rest;
  return Malformed(line_, messages::kTextAfterQuote(opened));
}

absl::Status RecordReader::ReadBare(std::string* field) {
  const bool refuse_quotes = syntax_.quoted && !syntax_.bare_quotes;
  const char ends[] = {syntax_.separator, '\n', '\r', refuse_quotes ? '"' : '\n'};
  const size_t end = std::min(rest_.find_first_of(std::string_view(ends, sizeof ends)), rest_.size());
  if (end < rest_.size() && rest_[end] == '"') {
    return Malformed(line_, messages::kQuoteInBareField());
  }
  Append(rest_.substr(0, end), field);
  rest_.remove_prefix(end);
  return CheckField(*field, limits_, path_, line_);
}

void RecordReader::Append(std::string_view text, std::string* field) {
  for (size_t i = 0; i < text.size(); ++i) {
    // A quoted field goes on after a quote of its own, so that a CRLF is never cut in two.
    line_ += text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'));
  }
  field->append(text);
}

absl::Status RecordReader::Malformed(int64_t line, const Message& what) const {
  return FileError(path_, line, what);
}

}  // namespace quantlab::engine
