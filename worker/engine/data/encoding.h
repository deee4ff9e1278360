// Character encodings of a dataset's files, by ICU.
//
// A byte order mark decides before everything else (as in WHATWG's Encoding Standard, "BOM sniff"). Without
// one a file is in the encoding that DatasetConfig::encoding names, and in UTF-8 where it names none.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_ENCODING_H_
#define QUANTLAB_WORKER_ENGINE_DATA_ENCODING_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::engine {

// Errors: INVALID_ARGUMENT a name that is neither "", nor "auto", nor a name or an alias of an encoding.
// Case,
// '-' and '_' do not count.
absl::Status CheckEncodingName(const std::string& name);

// Guesses the encoding of files that may be in any. ICU's detector looks at the words that are not ASCII
// only, each once, since the rest says nothing. Deterministic; looks at the first few hundred KiB of such
// words.
class EncodingGuess {
 public:
  // A whole file, or its beginning. Cheap once enough has been seen.
  void Add(std::string_view content);

  // A name that DecodeText takes: "UTF-8" where everything was UTF-8, or all but a few bytes. Empty where no
  // encoding fits.
  std::string Name() const;

 private:
  std::string without_high_bytes_;  // what nulls or escape sequences say: UTF-16 without a mark, ISO-2022
  std::string words_;               // each followed by a blank
};

struct DecodedText {
  std::string text;            // valid UTF-8, without a byte order mark
  int64_t replaced = 0;        // sequences that the encoding does not define, read as U+FFFD
  int64_t first_replaced = 0;  // the line of the first of them, from 1; 0: none
};

// `content` as UTF-8. `encoding` is not "auto"; `where` names the file in errors.
// Without an encoding, a content that is not UTF-8 is refused. With one, sequences that it does not define
// become U+FFFD, as long as they are few. Errors: INVALID_ARGUMENT an unknown encoding, or content in another
// one, with the likely one and the remedy.
absl::StatusOr<DecodedText> DecodeText(std::string content, const std::string& encoding,
                                       const std::string& where);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_ENCODING_H_
