#include "export/exporter.h"

#include "absl/strings/str_join.h"
#include "base/config/task.h"

namespace quantlab::model_export {

const std::vector<std::unique_ptr<Exporter>>& AllExporters() {
  static const auto* const all = [] {
    auto* exporters = new std::vector<std::unique_ptr<Exporter>>();
    exporters->push_back(MakeOnnxExporter());
    exporters->push_back(MakeOpenVinoExporter());
    exporters->push_back(MakeTransformersExporter());
    exporters->push_back(MakeTransformersBf16Exporter());
    exporters->push_back(MakeCompressedTensorsExporter());
    return exporters;
  }();
  return *all;
}

const Exporter* FindExporter(absl::string_view name) {
  for (const auto& exporter : AllExporters()) {
    if (exporter->name() == name) return exporter.get();
  }
  return nullptr;
}

std::string TextsOfExample(const SourceModel& model) {
  return model.config().text_pairs ? "sys.argv[1::2], sys.argv[2::2]" : "sys.argv[1:]";
}

std::string AnswerOfExample(const SourceModel& model, const std::string& labels, const std::string& row) {
  if (TaskNamed(model.config().task).numeric) return row + "[0].item()";
  return labels + "[" + row + ".argmax().item()]";
}

std::string ExporterNames() {
  return absl::StrJoin(AllExporters(), ", ", [](std::string* out, const std::unique_ptr<Exporter>& exporter) {
    out->append(exporter->name());
  });
}

}  // namespace quantlab::model_export
