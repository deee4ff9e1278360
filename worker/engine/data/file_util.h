// Helpers of the readers: find files by extension, read files with limits, find columns by name.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_FILE_UTIL_H_
#define QUANTLAB_WORKER_ENGINE_DATA_FILE_UTIL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/messages/message.h"
#include "worker/engine/data/readers.h"

namespace quantlab::engine {

// A status "path:line: problem", without the line where it is 0.
absl::Status FileError(const std::string& path, int64_t line, const Message& problem,
                       absl::StatusCode code = absl::StatusCode::kInvalidArgument);

// The bytes of a file of text, in any encoding.
// Errors: NOT_FOUND, RESOURCE_EXHAUSTED longer than max_bytes, INVALID_ARGUMENT not a file, or not text
// (file_kind.h).
absl::StatusOr<std::string> ReadBytes(const std::string& path, int64_t max_bytes);

// The whole file as UTF-8, without a byte order mark; see encoding.h.
// Errors: those of ReadBytes and DecodeText.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes,
                                         const std::string& encoding, const RowSink& sink);

// Names of what is in a folder, sorted by bytes; empty when it is not a readable folder.
std::vector<std::string> SortedNames(const std::string& folder);

// DatasetFormat::Find for formats of one file with one of `extensions` (".csv"): `path` itself, the only
// such file in the folder, or files whose names end in train, validation (dev, valid, val) and test
// ("train.tsv", "r8-test.tab"). `chosen`: where no file has one of the extensions, any do.
absl::StatusOr<std::vector<DataFile>> FindByExtension(const std::string& path,
                                                      const std::vector<std::string>& extensions,
                                                      bool chosen);

// Whether every field is empty or blank.
bool AllBlank(const std::vector<std::string>& fields);

// Indices of the configured columns in `present`, which may differ in case and blanks at their ends. Where a
// column has its default name and is absent, the usual names of public datasets are tried instead: those of
// pairs of texts first, as the files of GLUE and SNLI name them ("sentence1" and "sentence2", "question" and
// "sentence", "#1 String" and "#2 String", …), then those of one text ("sentence", "review", "sentiment").
// What was taken is noted.
struct Columns {
  size_t text = 0, label = 0;
  std::optional<size_t> filter, pair;
};
// nullopt: a test file without labels, as benchmarks publish them; this is noted.
// Errors: INVALID_ARGUMENT a column that is missing or occurs twice.
absl::StatusOr<std::optional<Columns>> FindColumns(const std::vector<std::string>& present,
                                                   const DataFile& file, const DatasetConfig& config,
                                                   const RowSink& sink);

// RESOURCE_EXHAUSTED naming the row when a field is longer than the limit.
absl::Status CheckField(std::string_view field, const ReadLimits& limits, const std::string& path,
                        int64_t line);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_FILE_UTIL_H_
