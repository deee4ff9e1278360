// Recognizes files that hold no text, by how they begin: archives, workbooks, binary tables.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_FILE_KIND_H_
#define QUANTLAB_WORKER_ENGINE_DATA_FILE_KIND_H_

#include <string_view>

#include "base/messages/message.h"

namespace quantlab::engine {

// What a file is instead of CSV, TSV or JSON Lines, with the remedy: "is compressed (gzip); …". Empty where
// it may be text. `content` is the whole file, or its beginning.
Message WhyNotText(std::string_view content);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_FILE_KIND_H_
