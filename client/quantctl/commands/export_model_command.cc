// export-model: a saved model in the format of another runtime.
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/messages/export.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/connection/transfer.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "client/quantctl/model_source.h"
#include "export/check/checker.h"
#include "export/exporter.h"
#include "export/package.h"
#include "platform/environment.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using model_export::CheckResult;
using model_export::Exporter;

struct ExportModelOptions {
  std::string source;
  std::vector<std::string> formats = {"onnx"};
  std::string out;
  bool no_check = false;
  model_export::ExportOptions exporting;
  model_export::CheckOptions check;
};

absl::StatusOr<std::vector<const Exporter*>> FindFormats(const std::vector<std::string>& names) {
  std::vector<const Exporter*> exporters;
  for (const std::string& name : names) {
    const Exporter* exporter = model_export::FindExporter(name);
    if (exporter == nullptr) {
      return MessageStatus(absl::StatusCode::kInvalidArgument,
                           messages::kNoSuchExportFormat(name, model_export::ExporterNames()));
    }
    exporters.push_back(exporter);
  }
  return exporters;
}

std::string TargetOf(const ExportModelOptions& options, const ModelSource& source, const Exporter& exporter) {
  if (options.out.empty()) return absl::StrCat(source.short_name, "-", exporter.name());
  return options.formats.size() == 1 ? options.out : (fs::path(options.out) / exporter.name()).string();
}

std::string Milliseconds(double seconds) {
  return absl::StrFormat("%.2f ms", 1e3 * seconds);
}

void SayChecked(Session& session, const CheckResult& check) {
  session.Note(messages::kExportChecked(check.runtime, check.texts, check.agreement,
                                        absl::StrFormat("%.3g", check.difference),
                                        absl::StrFormat("%.3g", check.tolerance)));
  session.Note(messages::kExportSpeed(check.runtime, Milliseconds(check.seconds),
                                      Milliseconds(check.own_seconds), check.tokens, check.threads));
}

// Runs the exported model where a Python has its runtime, and reports what it did.
model_export::Checker MakeChecker(Session& session, const ExportModelOptions& options,
                                  const model_export::SourceModel& model, const Exporter& exporter) {
  return [&session, &options, &model,
          &exporter](const std::string& folder) -> absl::StatusOr<std::optional<CheckResult>> {
    if (session.cancellation().cancelled()) return absl::CancelledError("stopped during an export");
    if (options.no_check) {
      session.Note(messages::kExportCheckSkipped(exporter.name()));
      return std::optional<CheckResult>();
    }
    model_export::CheckOptions check = options.check;
    check.runner = ExecutableFolder() + "/quant-runner";
    check.should_stop = [&session] { return session.cancellation().cancelled(); };
    if (!model_export::HasRuntime(check.python, exporter)) {
      session.Warn(
          messages::kExportNotChecked(exporter.name(), absl::StrJoin(exporter.runtime_packages(), " ")));
      return std::optional<CheckResult>();
    }
    QL_ASSIGN_OR_RETURN(const CheckResult result,
                        model_export::CheckExportedModel(model, exporter, check, folder));
    return std::optional<CheckResult>(result);
  };
}

Json ResultJson(const Exporter& exporter, const std::string& folder,
                const std::optional<CheckResult>& check) {
  Json json = {{"format", exporter.name()}, {"folder", folder}, {"checked", check.has_value()}};
  if (!check) return json;
  json["runtime"] = check->runtime;
  json["texts"] = check->texts;
  json["agreement"] = check->agreement;
  json["difference"] = check->difference;
  json["tolerance"] = check->tolerance;
  json["tokens"] = check->tokens;
  json["threads"] = check->threads;
  json["seconds"] = check->seconds;
  json["ownSeconds"] = check->own_seconds;
  if (check->int8_products) json["int8Products"] = *check->int8_products;
  return json;
}

absl::StatusOr<int> ExportModel(Session& session, const ExportModelOptions& options) {
  QL_ASSIGN_OR_RETURN(const std::vector<const Exporter*> exporters, FindFormats(options.formats));
  // Ctrl-C also ends the programs of the check, and temporary folders are removed.
  session.interrupts().Handle([&session](int) { session.cancellation().Cancel(); });
  const auto restore = absl::MakeCleanup([&session] { session.interrupts().Handle(nullptr); });
  QL_ASSIGN_OR_RETURN(const ModelSource source, FindModel(session, options.source));
  QL_ASSIGN_OR_RETURN(const model_export::SourceModel model, model_export::SourceModel::Open(source.folder));
  for (const Exporter* exporter : exporters) {
    QL_RETURN_IF_ERROR(exporter->Check(model, options.exporting));
    QL_RETURN_IF_ERROR(model_export::CheckTarget(TargetOf(options, source, *exporter)));
  }
  Json results = Json::array();
  for (const Exporter* exporter : exporters) {
    const std::string folder = TargetOf(options, source, *exporter);
    QL_ASSIGN_OR_RETURN(const std::optional<CheckResult> check,
                        model_export::WritePackage(model, *exporter, options.exporting, source.facts,
                                                   MakeChecker(session, options, model, *exporter), folder));
    if (check) SayChecked(session, *check);
    if (session.is_table()) session.Print(folder + "\n");
    results.push_back(ResultJson(*exporter, folder, check));
  }
  if (!session.is_table()) session.PrintDocument("ExportedModels", {{"models", results}});
  return kExitOk;
}

}  // namespace

void AddExportModelCommand(CommandLine& line) {
  const auto options = std::make_shared<ExportModelOptions>();
  options->check.python = "python3";
  CLI::App* command = AddCommand(
      line, "export-model", line.Say(messages::kHelpExportModel()),
      "  quantctl export-model latest/static_quantization --to onnx,openvino --python venv/bin/python\n"
      "  quantctl export-model results/quick/dynamic_quant --to onnx --out shipped");
  command->add_option("MODEL", options->source, line.Say(messages::kHelpExportSource()))->required();
  command
      ->add_option("--to", options->formats, line.Say(messages::kHelpExportTo(model_export::ExporterNames())))
      ->delimiter(',')
      ->type_name("FORMATS");
  command->add_option("--out", options->out, line.Say(messages::kHelpExportOut()))->type_name("DIR");
  command->add_option("--texts", options->check.texts, line.Say(messages::kHelpExportTexts()))
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  command->add_option("--python", options->check.python, line.Say(messages::kHelpExportPython()))
      ->type_name("PROGRAM");
  command->add_option("--threads", options->check.threads, line.Say(messages::kHelpExportThreads()))
      ->check(CLI::Range(0, 1024))
      ->type_name("N");
  command->add_flag("--exact", options->exporting.exact, line.Say(messages::kHelpExportExact()));
  command->add_flag("--no-check", options->no_check, line.Say(messages::kHelpExportNoCheck()));
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return ExportModel(s, *options); }; });
}

}  // namespace quantlab::client
