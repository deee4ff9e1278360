#include "export/exporter.h"

#include "absl/strings/str_join.h"

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

std::string ExporterNames() {
  return absl::StrJoin(AllExporters(), ", ", [](std::string* out, const std::unique_ptr<Exporter>& exporter) {
    out->append(exporter->name());
  });
}

}  // namespace quantlab::model_export
