// Labelled texts, read from files and divided into reproducible splits.
//
//   QL_ASSIGN_OR_RETURN(Dataset data, LoadDataset(config, folder));
//   // data.train, data.validation and data.test share no text; data.test_digest identifies the test split.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_DATASET_H_
#define QUANTLAB_WORKER_ENGINE_DATA_DATASET_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/run_config.h"
#include "base/messages/message.h"

namespace quantlab::engine {

struct Example {
  std::string text;  // valid UTF-8
  int label = 0;     // index into Dataset::labels
  int64_t row = 0;   // position among all rows of the dataset in reading order, from 0, filtered ones too
  std::optional<std::string> pair = {};  // the second text, in a dataset of pairs
  std::optional<double> value = {};      // the label of a regression, whose `label` is 0
};

// Counts of the rows that did not enter a split, and why.
struct DatasetSummary {
  int64_t rows_read = 0;
  int64_t rows_filtered = 0;        // filter_column did not equal filter_value
  int64_t duplicates_dropped = 0;   // repetitions of a text with the same label; the first is kept
  int64_t conflicts_dropped = 0;    // rows of texts that appear with different labels; none is kept
  int64_t leaked_dropped = 0;       // rows of an official training split whose text is held out as well
  int64_t unused = 0;               // rows beyond the requested sizes
  bool official_test = false;       // the test split is the dataset's own
  int64_t rows_empty = 0;           // rows without any value, which spreadsheets leave; not among rows_read
  std::string encoding;             // of files without a byte order mark: "UTF-8"
  std::vector<int64_t> class_rows;  // rows of each class, before they were divided
  double lowest = 0, highest = 0;   // numbers of a regression
  std::vector<std::string> notes;   // anything else that a reader of the results should know, in sentences
  std::vector<Message> caveats;     // anything that may make the results worthless
};

struct Dataset {
  std::string format;               // "csv", "tsv", "jsonl", "tab", "acl_imdb"
  std::vector<std::string> labels;  // class names in order of class index
  bool pairs = false;               // every example has a second text, or none has
  bool numeric = false;             // labels are numbers (Example::value), and `labels` has one placeholder
  // Disjoint by text, or by pair of texts; each in the order of `row`.
  std::vector<Example> train, validation, test;
  // SplitDigest of each; results identify their data by it.
  std::string train_digest, validation_digest, test_digest;
  DatasetSummary summary;
};

// Rows of a dataset before they are divided. An official split is one that the dataset's own files make
// (aclImdb's train/ and test/; train.tsv, dev.tsv, test.tsv).
struct ExamplePool {
  std::vector<Example> rows;                 // all that is not in an official split below
  std::vector<Example> official_validation;  // empty when the dataset has none
  std::vector<Example> official_test;        // empty when the dataset has none
  std::vector<std::string> labels;
};

// Called from time to time with the bytes read so far and those of all files, and at the end with both equal;
// false ends the reading.
using ReadProgress = std::function<bool(int64_t done, int64_t total)>;

// Reads the dataset under `folder` (a folder, or one file) and divides it as MakeSplits does.
//
// Format "auto" is acl_imdb where there is train/pos, else the extension decides (.csv, .tsv, .jsonl, .tab).
// Labels in the files are class names of `labels`, or class indices, or, when `labels` is empty, any
// values: their sorted distinct values become the classes (by number where all are integers).
// Where the task of `config` has numbers as labels, any finite number is one, and two of them must differ.
// Rows are pairs of texts where `text_pair_column` names the second, or where the file has the columns of a
// well-known dataset of pairs (FindColumns).
// Blanks around labels do not count. The encoding "auto" is guessed from all files together.
// Errors: NOT_FOUND no such folder or no file of a known format; INVALID_ARGUMENT a malformed file, an
// unknown column, a label out of range (file and line are named), an empty dataset, too few rows, a file in
// another encoding;
// RESOURCE_EXHAUSTED a file or a field beyond the limits of readers.h; CANCELLED by `progress`.
absl::StatusOr<Dataset> LoadDataset(const DatasetConfig& config, const std::string& folder,
                                    const ReadProgress& progress = {});

// Drops duplicates and divides by split_seed alone: the same on every platform and standard library.
//
// Sizes. train_size 0: all rows that validation and test leave. validation_size 0: no validation split,
// or the whole official one. test_size 0: the whole official test split; without one, all rows that
// train and validation leave, or a fifth of the rows when train_size is 0 as well. -1: none.
// Every split has the classes in the proportion of the rows that it is drawn from. The test split does
// not change when only train_size does (unless test_size is 0 and there is no official one).
// Texts are duplicates when they are equal byte for byte, pairs when both texts are. Of duplicates with one
// label the first is kept; with different labels none. A text in an official test or validation split is
// dropped from training. Errors: INVALID_ARGUMENT fewer rows than requested, or a class without a row in
// train.
absl::StatusOr<Dataset> MakeSplits(ExamplePool pool, const DatasetConfig& config);

// Puts the dataset's classes into the order of a model's: afterwards class i is what the model's class i is
// called here. The digests stay as they are: they name what was read. Errors: those of MatchClasses.
absl::Status AlignClasses(const std::vector<std::string>& model, const std::vector<std::string>& label_map,
                          Dataset* dataset);

// SHA-256 (hex) over the lines "<SHA-256 of the text> <label>\n" of the examples in their order; of pairs,
// "<SHA-256 of the text> <SHA-256 of the second text> <label>\n". The label is the class's index, or the
// number of a regression in the shortest form that reads back to it.
std::string SplitDigest(const std::vector<Example>& examples);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_DATASET_H_
