// The part of a tokenizer that turns ordinary text, between added tokens, into ids.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TEXT_MODEL_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TEXT_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quantlab::engine {

// Threads: immutable after construction.
// Texts are valid UTF-8. Ids are appended to *ids; an implementation may stop once *ids has `limit` of them,
// and may leave a few more there.
class TextModel {
 public:
  virtual ~TextModel() = default;

  // The text in which added tokens with `normalized` are looked for.
  virtual std::string Normalize(std::string_view text) const = 0;

  // Ids of text that Normalize returned, or of a part of it. `at_start`: it begins the whole input.
  virtual void Match(std::string_view normalized, bool at_start, size_t limit,
                     std::vector<int32_t>* ids) const = 0;

  // Match(Normalize(text)), possibly in one pass.
  virtual void Run(std::string_view text, bool at_start, size_t limit, std::vector<int32_t>* ids) const {
    Match(Normalize(text), at_start, limit, ids);
  }
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TEXT_MODEL_H_
