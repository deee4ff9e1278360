// Finds what a run would refuse in the model and the dataset of an experiment, on this machine, before
// anything is uploaded.
#ifndef QUANTLAB_CLIENT_INPUTS_INPUT_CHECKS_H_
#define QUANTLAB_CLIENT_INPUTS_INPUT_CHECKS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/messages/message.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// Findings about the inputs on this machine.
struct InputFindings {
  std::optional<Message> dataset;  // its rows and classes
  std::vector<Message> caveats;    // reasons why the results may be unusable
  std::vector<std::string>
      absent;  // inputs of the catalogue that may still be downloaded: why they were not checked
};

// Reads the model and the dataset of `checked`, the answer to a validate_only request, as a run would:
// family, tokenizer, encoding, columns, labels and sizes of the splits, and whether the two fit together.
// Inputs that only workers download are not checked. Errors: those of LocateAsset, and INVALID_ARGUMENT the
// error with which a run would end.
absl::StatusOr<InputFindings> CheckInputs(const v1::SubmitExperimentResponse& checked,
                                          const std::string& experiment_folder,
                                          const std::map<std::string, std::string>& overrides);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_INPUTS_INPUT_CHECKS_H_
