// Dataset formats. To add one: implement DatasetFormat in a file of its own, add it to AllFormats(), to
// DatasetFormatNames() in base/config/run_config.cc and to the cases of readers_conformance_test.cc.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_READERS_H_
#define QUANTLAB_WORKER_ENGINE_DATA_READERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/run_config.h"

namespace quantlab::engine {

// Limits of a reader, so that malformed files cannot exhaust memory.
struct ReadLimits {
  int64_t max_file_bytes = int64_t{4} << 30;
  int64_t max_field_bytes = 16 << 20;  // of one text
  int64_t max_rows = 50'000'000;
};

// Which split of the dataset's own a file belongs to.
enum class Part { kUnsplit, kTrain, kValidation, kTest };

// A file, or a folder of one class, that a format reads.
struct DataFile {
  std::string path;
  Part part = Part::kUnsplit;
  std::string label;  // acl_imdb: the class of all texts in the folder
};

// Views are valid only during the call that gets them. All are valid UTF-8.
struct RawRow {
  std::string_view text;
  std::string_view label;                     // as in the file; empty: none given
  std::string_view filter;                    // value of DatasetConfig::filter_column; empty without one
  std::string_view path;                      // for messages
  int64_t line = 0;                           // where the row starts, from 1; 0: the whole file is the row
  std::optional<std::string_view> pair = {};  // the second text of a pair
};

// "reviews.csv:17" or "train/pos/0_9.txt".
std::string Where(const RawRow& row);

struct RowSink {
  std::function<absl::Status(const RawRow&)> row;  // an error ends the reading
  std::function<void(std::string)> note;           // something that a reader of results should know
  // A row whose fields are all empty, as spreadsheets leave at the end; it is no row.
  std::function<void()> empty_row = [] {};
  // Characters that the file's encoding does not define, read as U+FFFD, and where the first of them is.
  std::function<void(int64_t count, const std::string& where)> undefined = [](int64_t, const std::string&) {};
};

// Threads: implementations have no state.
class DatasetFormat {
 public:
  virtual ~DatasetFormat() = default;

  // As in DatasetConfig::format.
  virtual std::string_view name() const = 0;

  // The files of this format at `path` (a folder or a file), in reading order; may be empty.
  // `chosen`: the user named the format, which then counts more than the extension of a file.
  // Errors: INVALID_ARGUMENT several files with unclear roles.
  virtual absl::StatusOr<std::vector<DataFile>> Find(const std::string& path, bool chosen) const = 0;

  // The files on this disk that Read reads for `file`.
  virtual std::vector<std::string> TextFiles(const DataFile& file) const { return {file.path}; }

  // Reads one of the files that Find returned, row by row, in the encoding of `config`, which is not "auto".
  // Errors: INVALID_ARGUMENT malformed (file and line are named), an unknown column;
  // RESOURCE_EXHAUSTED a limit.
  virtual absl::Status Read(const DataFile& file, const DatasetConfig& config, const ReadLimits& limits,
                            const RowSink& sink) const = 0;
};

// The one list of formats.
const std::vector<std::unique_ptr<DatasetFormat>>& AllFormats();

// The parts of AllFormats().
std::unique_ptr<DatasetFormat> MakeCsvFormat();
std::unique_ptr<DatasetFormat> MakeTsvFormat();
std::unique_ptr<DatasetFormat> MakeJsonlFormat();
std::unique_ptr<DatasetFormat> MakeAclImdbFormat();
std::unique_ptr<DatasetFormat> MakeOrangeTabFormat();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_READERS_H_
