// Drops duplicates and makes splits, as MakeSplits documents.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/data/random.h"

namespace quantlab::engine {
namespace {

constexpr int64_t kNone = -1;
// Share of the rows that becomes the test split when no size is given at all.
constexpr int64_t kDefaultTestShare = 5;

// Keeps those for which keep(example) holds, in their order; returns the number dropped.
template <typename Keep>
int64_t KeepIf(std::vector<Example>* examples, Keep keep) {
  const auto end = std::stable_partition(examples->begin(), examples->end(), keep);
  const auto gone = static_cast<int64_t>(examples->end() - end);
  examples->erase(end, examples->end());
  return gone;
}

// Equal for equal texts, or pairs of texts, alone.
std::string ContentDigest(const Example& example) {
  return example.pair ? absl::StrCat(Sha256Hex(example.text), Sha256Hex(*example.pair))
                      : Sha256Hex(example.text);
}

// Of equal texts with one label keeps the first; of those with several labels none.
void DropDuplicates(std::vector<Example>* examples, DatasetSummary* summary) {
  struct Seen {
    int label = 0;
    std::optional<double> value;
    size_t first = 0;
    bool conflict = false;
  };
  std::unordered_map<std::string, Seen> seen;  // by digest: texts move while they are dropped
  seen.reserve(examples->size());
  std::vector<std::string> digests;
  digests.reserve(examples->size());
  for (size_t i = 0; i < examples->size(); ++i) {
    const Example& example = (*examples)[i];
    digests.push_back(ContentDigest(example));
    const auto [it, is_new] = seen.try_emplace(digests.back(), Seen{example.label, example.value, i, false});
    if (is_new) continue;
    if (it->second.label != example.label || it->second.value != example.value) it->second.conflict = true;
  }
  std::vector<Example> kept;
  kept.reserve(examples->size());
  for (size_t i = 0; i < examples->size(); ++i) {
    const Seen& s = seen.at(digests[i]);
    if (s.conflict) {
      ++summary->conflicts_dropped;
    } else if (s.first != i) {
      ++summary->duplicates_dropped;
    } else {
      kept.push_back(std::move((*examples)[i]));
    }
  }
  *examples = std::move(kept);
}

// Drops from `examples` what is in `held_out` as well.
int64_t DropLeaks(const std::vector<Example>& held_out, std::vector<Example>* examples) {
  std::set<std::pair<std::string_view, std::optional<std::string_view>>> contents;
  for (const Example& example : held_out) contents.emplace(example.text, example.pair);
  return KeepIf(examples, [&contents](const Example& e) { return contents.count({e.text, e.pair}) == 0; });
}

// A random order of the examples in which every section has the classes in the proportion of the whole: the
// k-th of the n examples of a class is placed at the fraction (k + 1/2) / n.
std::vector<Example> StratifiedOrder(std::vector<Example> examples, uint64_t seed) {
  SplitMix64 random(seed);
  Shuffle(&examples, &random);
  std::unordered_map<int, int64_t> count;
  struct Place {
    int64_t twice_rank_plus_one = 0, class_count = 0;
    int label = 0;
    size_t index = 0;
  };
  std::vector<Place> places;
  for (size_t i = 0; i < examples.size(); ++i) {
    places.push_back({2 * count[examples[i].label]++ + 1, 0, examples[i].label, i});
  }
  for (Place& place : places) place.class_count = count[place.label];
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    const int64_t left = a.twice_rank_plus_one * b.class_count, right = b.twice_rank_plus_one * a.class_count;
    return left != right ? left < right : a.label < b.label;
  });
  std::vector<Example> ordered;
  ordered.reserve(examples.size());
  for (const Place& place : places) ordered.push_back(std::move(examples[place.index]));
  return ordered;
}

// Moves the first `size` examples of [*next, pool end) out, in the order of their rows.
std::vector<Example> Take(std::vector<Example>* pool, size_t* next, int64_t size) {
  const auto begin = pool->begin() + static_cast<std::ptrdiff_t>(*next);
  std::vector<Example> taken(std::make_move_iterator(begin), std::make_move_iterator(begin + size));
  *next += static_cast<size_t>(size);
  std::sort(taken.begin(), taken.end(), [](const Example& a, const Example& b) { return a.row < b.row; });
  return taken;
}

absl::Status Invalid(const Message& message) {
  return MessageStatus(absl::StatusCode::kInvalidArgument, message);
}

int64_t Size(const std::vector<Example>& examples) {
  return static_cast<int64_t>(examples.size());
}

// How many rows of the common pool each split gets.
struct Sizes {
  int64_t train = 0, validation = 0, test = 0;
};

absl::Status TooSmall(const char* split, int64_t wanted, int64_t available) {
  return Invalid(messages::kSplitTooLarge(split, wanted, available));
}

// `rows` are to be divided; official splits of the dataset are not drawn from them.
absl::StatusOr<Sizes> ResolveSizes(const DatasetConfig& config, int64_t rows, bool official_validation,
                                   bool official_test) {
  for (const int64_t size : {config.train_size, config.validation_size, config.test_size}) {
    if (size < kNone) return Invalid(messages::kSplitSizeNegative(size));
  }
  Sizes sizes;
  if (!official_validation) sizes.validation = std::max<int64_t>(config.validation_size, 0);
  const bool open_test = !official_test && config.test_size == 0;
  if (!official_test && config.test_size > 0) sizes.test = config.test_size;
  if (open_test && config.train_size == 0) sizes.test = std::max<int64_t>(rows / kDefaultTestShare, 1);
  int64_t left = rows - sizes.test;
  if (left < 0) return TooSmall("test", sizes.test, rows);
  if (sizes.validation > left) return TooSmall("validation", sizes.validation, left);
  left -= sizes.validation;
  if (config.train_size > left) return TooSmall("train", config.train_size, left);
  sizes.train = config.train_size == 0 ? left : std::max<int64_t>(config.train_size, 0);
  // A dataset with only a test split can still be used for evaluation.
  if (config.train_size == 0 && sizes.train == 0 && rows > 0) {
    return Invalid(messages::kNoTrainRows(rows));
  }
  if (open_test && config.train_size != 0) sizes.test = left - sizes.train;
  return sizes;
}

// An official split, or a stratified part of it of `size` examples.
absl::StatusOr<std::vector<Example>> TakeOfficial(std::vector<Example> pool, int64_t size, uint64_t seed,
                                                  const char* name, DatasetSummary* summary) {
  if (size == 0) size = Size(pool);
  if (size == kNone) size = 0;
  if (size > Size(pool)) return TooSmall(name, size, Size(pool));
  summary->unused += Size(pool) - size;
  pool = StratifiedOrder(std::move(pool), seed);
  size_t next = 0;
  return Take(&pool, &next, size);
}

std::vector<int64_t> CountLabels(const std::vector<Example>& examples, size_t classes) {
  std::vector<int64_t> counts(classes);
  for (const Example& example : examples) ++counts[static_cast<size_t>(example.label)];
  return counts;
}

// A class without a row cannot be learned, and a split without it cannot reveal that.
absl::Status CheckClasses(Dataset* dataset) {
  const auto train = CountLabels(dataset->train, dataset->labels.size());
  const auto test = CountLabels(dataset->test, dataset->labels.size());
  const auto validation = CountLabels(dataset->validation, dataset->labels.size());
  for (size_t c = 0; c < dataset->labels.size(); ++c) {
    const std::string& label = dataset->labels[c];
    if (!dataset->train.empty() && train[c] == 0) {
      return Invalid(messages::kClassWithoutRows(label, Size(dataset->train)));
    }
    const auto note = [&](const char* split) {
      dataset->summary.notes.push_back(
          absl::StrCat("Class \"", label, "\" has no row in the ", split, " split."));
    };
    if (!dataset->test.empty() && test[c] == 0) note("test");
    if (!dataset->validation.empty() && validation[c] == 0) note("validation");
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const ExamplePool& pool) {
  for (const auto* part : {&pool.rows, &pool.official_validation, &pool.official_test}) {
    for (const Example& example : *part) {
      if (example.label >= 0 && static_cast<size_t>(example.label) < pool.labels.size()) continue;
      return Invalid(
          messages::kLabelOutOfRange(example.row, example.label, static_cast<int64_t>(pool.labels.size())));
    }
  }
  return absl::OkStatus();
}

void DropAllDuplicates(ExamplePool* pool, DatasetSummary* summary) {
  DropDuplicates(&pool->official_test, summary);
  DropDuplicates(&pool->official_validation, summary);
  DropDuplicates(&pool->rows, summary);
  summary->leaked_dropped += DropLeaks(pool->official_test, &pool->official_validation);
  summary->leaked_dropped += DropLeaks(pool->official_test, &pool->rows);
  summary->leaked_dropped += DropLeaks(pool->official_validation, &pool->rows);
}

}  // namespace

std::string SplitDigest(const std::vector<Example>& examples) {
  Sha256 digest;
  for (const Example& example : examples) {
    digest.Update(Sha256Hex(example.text));
    if (example.pair) digest.Update(absl::StrCat(" ", Sha256Hex(*example.pair)));
    digest.Update(
        absl::StrCat(" ", example.value ? RoundTrip(*example.value) : absl::StrCat(example.label), "\n"));
  }
  return digest.HexDigest();
}

absl::StatusOr<Dataset> MakeSplits(ExamplePool pool, const DatasetConfig& config) {
  QL_RETURN_IF_ERROR(CheckLabels(pool));
  Dataset dataset;
  dataset.labels = pool.labels;
  for (const auto* part : {&pool.rows, &pool.official_validation, &pool.official_test}) {
    dataset.pairs = dataset.pairs || (!part->empty() && part->front().pair.has_value());
  }
  DropAllDuplicates(&pool, &dataset.summary);
  const bool official_validation = !pool.official_validation.empty(),
             official_test = !pool.official_test.empty();
  dataset.summary.official_test = official_test;
  if (pool.rows.empty() && !official_test) {
    return Invalid(messages::kNoRowsToDivide());
  }
  QL_ASSIGN_OR_RETURN(const Sizes sizes,
                      ResolveSizes(config, Size(pool.rows), official_validation, official_test));
  const uint64_t seed = config.split_seed;
  std::vector<Example> rows = StratifiedOrder(std::move(pool.rows), seed);
  size_t next = 0;
  // In this order the test split does not change with the sizes of the others.
  dataset.test = Take(&rows, &next, sizes.test);
  dataset.validation = Take(&rows, &next, sizes.validation);
  dataset.train = Take(&rows, &next, sizes.train);
  dataset.summary.unused += static_cast<int64_t>(rows.size() - next);
  if (official_validation) {
    QL_ASSIGN_OR_RETURN(dataset.validation,
                        TakeOfficial(std::move(pool.official_validation), config.validation_size,
                                     MixSeeds(seed, 1), "validation", &dataset.summary));
  }
  if (official_test) {
    QL_ASSIGN_OR_RETURN(dataset.test, TakeOfficial(std::move(pool.official_test), config.test_size,
                                                   MixSeeds(seed, 2), "test", &dataset.summary));
  }
  QL_RETURN_IF_ERROR(CheckClasses(&dataset));
  dataset.train_digest = SplitDigest(dataset.train);
  dataset.validation_digest = SplitDigest(dataset.validation);
  dataset.test_digest = SplitDigest(dataset.test);
  return dataset;
}

}  // namespace quantlab::engine
