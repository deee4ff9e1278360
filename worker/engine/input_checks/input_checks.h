// What a run would refuse about its model and its dataset, known from their files without LibTorch: for
// programs that submit runs, and for the runner itself, so that both say the same.
#ifndef QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_INPUT_CHECKS_H_
#define QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_INPUT_CHECKS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/run_config.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/families/encoder_config.h"
#include "worker/engine/text/tokenizer.h"

namespace quantlab::engine {

struct CheckedModel {
  std::string folder;
  EncoderConfig config;
  std::shared_ptr<const Tokenizer> tokenizer;
  // Classes of its classifier, 0 where it has none; nullopt where only LibTorch can tell (pytorch_model.bin).
  std::optional<int64_t> classifier_rows;
  bool lacks_head_layer = false;  // no weights of the head's hidden layer, which only a training may draw
};

// Reads a model folder as a run would: its files, the family and sizes of config.json, the tokenizer.
// Errors: INVALID_ARGUMENT names the file and what is wrong with it.
absl::StatusOr<CheckedModel> CheckModel(const std::string& folder);

// Whether the tokenizer is of the model, and its positions suffice for texts of `max_length` tokens.
// Errors: INVALID_ARGUMENT.
absl::Status CheckTokenizer(const Tokenizer& tokenizer, const EncoderConfig& config,
                            const std::string& folder, int max_length);

// Whether pairs of texts of at most `max_length` tokens can be given to the model.
// Errors: INVALID_ARGUMENT the tokenizer does not say how, or marks them by token types that the model lacks,
// or max_length leaves a text no token.
absl::Status CheckPairs(const Tokenizer& tokenizer, const EncoderConfig& config, const std::string& folder,
                        int max_length);

// Whether a run of `config` (a baseline) can start from the model with the dataset: classes of a model that
// is not fine-tuned must be the dataset's. Errors: INVALID_ARGUMENT.
absl::Status CheckTogether(const RunConfig& config, const CheckedModel& model, const Dataset& dataset);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_INPUT_CHECKS_H_
