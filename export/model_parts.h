// The parts of a model in the order of computation, with the names that its family gives them.
#ifndef QUANTLAB_EXPORT_MODEL_PARTS_H_
#define QUANTLAB_EXPORT_MODEL_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "export/source_model.h"

namespace quantlab::model_export {

// An embedding table, [rows, columns], or a linear layer, [out, in].
struct MatrixPart {
  std::string name;  // without ".weight"
  int64_t rows = 0, columns = 0;
  bool head = false;  // of the classifier: its input is the first token of each text
};

struct NormPart {
  std::string name;
  int64_t width = 0;
};

struct ModelParts {
  std::vector<MatrixPart> tables, linears;
  std::vector<NormPart> norms;
};

ModelParts PartsOf(const SourceModel& model);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_MODEL_PARTS_H_
