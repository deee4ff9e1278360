// The folder of an exported model: the format's files with everything that their user needs beside them.
//
//   model.onnx …        what the exporter wrote
//   config.json, vocab.txt, tokenizer.json …   as in the saved model
//   labels.json         names of the classes, by index
//   example.py          prints the label of a text
//   export.json         format, method, digests of source and files, and what the check found
//   README.md           the model card
#ifndef QUANTLAB_EXPORT_PACKAGE_H_
#define QUANTLAB_EXPORT_PACKAGE_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "export/exporter.h"
#include "export/source_model.h"

namespace quantlab::model_export {

// One measured number of the model card.
struct MeasuredNumber {
  std::string name;  // "accuracy (test)"
  double value = 0;
  std::string unit;                 // "1", "s", "bytes", …
  std::optional<double> low, high;  // of the 95 % interval
  int64_t samples = 0;              // 0: not known
};

// What is known of a model beyond its folder; fields are empty where it is not.
struct ModelFacts {
  std::string name;        // "quick-k3f9a2/static_quantization", or the folder
  std::string base_model;  // name of the checkpoint that was fine-tuned
  std::string base_license, base_digest;
  std::string dataset, dataset_license, dataset_digest;
  std::vector<MeasuredNumber> numbers;
};

// What running the exported model found.
struct CheckResult {
  std::string runtime;  // "ONNX Runtime 1.32.0"
  bool passed = false;
  int64_t texts = 0;
  double agreement = 0;   // share of equal labels
  double difference = 0;  // largest of a logit
  double tolerance = 0, largest_logit = 0;
  std::string layer;  // where a difference above the tolerance begins; empty: not found, or passed
  int64_t tokens = 0, threads = 0;       // of the timed text
  double seconds = 0, own_seconds = 0;   // of the runtime and of quant-runner
  std::optional<int64_t> int8_products;  // where the runtime reports them
};

// Runs the exported model in `folder`; nullopt: there is no runtime to do it with, or it was not wanted.
using Checker = std::function<absl::StatusOr<std::optional<CheckResult>>(const std::string& folder)>;

// Writes `folder` whole or not at all: everything is written and checked in a hidden folder beside it.
// Errors: ALREADY_EXISTS `folder` is there and not empty, or another process writes it; those of the exporter
// and of `check`.
absl::StatusOr<std::optional<CheckResult>> WritePackage(const SourceModel& model, const Exporter& exporter,
                                                        const ExportOptions& options, const ModelFacts& facts,
                                                        const Checker& check, const std::string& folder);

// INVALID_ARGUMENT/ALREADY_EXISTS where WritePackage would refuse `folder`.
absl::Status CheckTarget(const std::string& folder);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_PACKAGE_H_
