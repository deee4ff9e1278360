// The model card of an exported model.
#ifndef QUANTLAB_EXPORT_MODEL_CARD_H_
#define QUANTLAB_EXPORT_MODEL_CARD_H_

#include <map>
#include <optional>
#include <string>

#include "export/package.h"

namespace quantlab::model_export {

struct CardInput {
  const SourceModel& model;
  const Exporter& exporter;
  const ExportOptions& options;
  const ModelFacts& facts;
  const std::optional<CheckResult>& check;
  std::map<std::string, std::string> digests;  // SHA-256 by file of the exported folder
  int64_t bytes = 0;                           // of these files
  std::string source_digest;                   // SHA-256 of the saved model's weights
};

// README.md, in Markdown. A pure function.
std::string ModelCard(const CardInput& input);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_MODEL_CARD_H_
