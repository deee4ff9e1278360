// quant-export: writes a saved model in the format of another runtime. quant-runner starts it for comparisons
// that time such runtimes: it links ONNX's protobuf, which cannot be in one program with LibTorch.
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "base/messages/export.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "export/exporter.h"
#include "export/package.h"

namespace quantlab::model_export {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr char kFooter[] =
    "Example:\n  quant-export results/quick/static_quant/model --to onnx --out shipped\n\n"
    "The folder is written whole or not at all, and is not run: `quantctl export-model` exports and checks.\n\n"
    "Exit codes: 0 done; 1 failed; 2 the command line is wrong";

absl::Status Export(const std::string& folder, const std::string& format, const std::string& out) {
  const Exporter* const exporter = FindExporter(format);
  if (exporter == nullptr) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kNoSuchExportFormat(format, ExporterNames()));
  }
  QL_ASSIGN_OR_RETURN(const SourceModel model, SourceModel::Open(folder));
  ModelFacts facts;
  facts.name = folder;
  const Checker unchecked = [](const std::string&) { return std::optional<CheckResult>(); };
  return WritePackage(model, *exporter, {}, facts, unchecked, out).status();
}

int Main(int argc, char** argv) {
  CLI::App app("Writes a saved model in the format of another runtime.", "quant-export");
  app.set_version_flag("--version", kVersion);
  app.footer(kFooter);
  std::string folder, format, out;
  app.add_option("MODEL", folder, "Folder with a saved model")->required();
  app.add_option("--to", format, "Format: " + ExporterNames())->required();
  app.add_option("--out", out, "Folder to write; it must not exist, or be empty")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = Export(folder, format, out);
  if (!status.ok()) std::fprintf(stderr, "quant-export: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace quantlab::model_export

int main(int argc, char** argv) {
  try {
    return quantlab::model_export::Main(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quant-export: %s\n", e.what());
    return 1;
  }
}
