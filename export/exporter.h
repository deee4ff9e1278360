// Formats in which a saved model can be exported for other runtimes.
//
// To add a format: a class derived from Exporter, a function that makes it, and a line in AllExporters().
#ifndef QUANTLAB_EXPORT_EXPORTER_H_
#define QUANTLAB_EXPORT_EXPORTER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "export/source_model.h"

namespace quantlab::model_export {

struct ExportOptions {
  // Quantized inputs equal to quant-runner's to the bit, by arithmetic in double precision; slow. false: as
  // the format's runtimes compute fastest, where a quantized value may differ by one step.
  bool exact = false;
};

// Threads: safe; exporters have no state.
class Exporter {
 public:
  virtual ~Exporter() = default;

  // The word of --to: "onnx".
  virtual std::string name() const = 0;

  // Python packages that run the exported model, as pip names them; the first one is imported to find out
  // whether a Python has them.
  virtual std::vector<std::string> runtime_packages() const = 0;

  // Whether the format can express `model`. Errors: UNIMPLEMENTED or INVALID_ARGUMENT name the layer, its
  // kind and the remedy.
  virtual absl::Status Check(const SourceModel& model, const ExportOptions& options) const = 0;

  // Writes the format's own files into `folder`, which exists and is empty. Tokenizer files, the model card
  // and the example are not its work. Errors: as Check; RESOURCE_EXHAUSTED the disk is full.
  virtual absl::Status Write(const SourceModel& model, const ExportOptions& options,
                             const std::string& folder) const = 0;

  // A Python program of at most 15 lines that, in the exported folder, prints the label of a text.
  virtual std::string Example(const SourceModel& model) const = 0;

  // What the model card says about this format; empty: nothing. Markdown, one paragraph.
  virtual std::string Note(const SourceModel&) const { return ""; }
};

// Every format, in the order in which help names them.
const std::vector<std::unique_ptr<Exporter>>& AllExporters();

// nullptr where there is none of that name.
const Exporter* FindExporter(absl::string_view name);

// "onnx, openvino", for messages.
std::string ExporterNames();

// Of an example: the arguments of transformers' tokenizer for the texts of the command line, two by two where
// the model reads pairs.
std::string TextsOfExample(const SourceModel& model);
// What it prints of the logits `row`, an expression: the label that `labels` names, or the number of a
// regression.
std::string AnswerOfExample(const SourceModel& model, const std::string& labels, const std::string& row);

// ---- One for each format. ----

std::unique_ptr<Exporter> MakeOnnxExporter();
std::unique_ptr<Exporter> MakeOpenVinoExporter();
std::unique_ptr<Exporter> MakeTransformersExporter();
std::unique_ptr<Exporter> MakeTransformersBf16Exporter();
std::unique_ptr<Exporter> MakeCompressedTensorsExporter();

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_EXPORTER_H_
