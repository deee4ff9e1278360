// What a run would refuse about the model and the dataset of an experiment, found on this machine before
// anything is uploaded.
#ifndef QUANTLAB_CLIENT_INPUTS_INPUT_CHECKS_H_
#define QUANTLAB_CLIENT_INPUTS_INPUT_CHECKS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/message.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// What was found in the inputs that are on this machine.
struct InputFindings {
  std::optional<Message> dataset;  // its rows and classes
  std::vector<Message> caveats;    // what may make the results worthless
  std::vector<std::string>
      absent;  // inputs of the catalogue that may still be fetched: why they were not checked
};

// Reads the model and the dataset of `checked`, the answer to a validate_only request, as a run would:
// family, tokenizer, encoding, columns, labels and sizes of the splits, and whether the two go together.
// Inputs that are not on this machine because workers fetch them are left to the run. Errors: those of
// LocateAsset, and INVALID_ARGUMENT what a run would end with.
absl::StatusOr<InputFindings> CheckInputs(const v1::SubmitExperimentResponse& checked,
                                          const std::string& experiment_folder,
                                          const std::map<std::string, std::string>& overrides);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_INPUTS_INPUT_CHECKS_H_
