#include "export/check/checker.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/files.h"
#include "base/messages/export.h"
#include "base/messages/message_catalogue.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "base/text/utf8.h"
#include "export/check/check_script.h"
#include "platform/files.h"
#include "platform/process.h"
#include "runtimes/agreement.h"
#include "runtimes/runtime_commands.h"

namespace quantlab::model_export {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kTimeout = absl::Hours(1);
constexpr absl::Duration kImportTimeout = absl::Minutes(2);
constexpr int64_t kMaxTextBytes = int64_t{16} << 20;
constexpr int64_t kMaxTokens = 128;  // of a compared text

// Missing or wrong members give the default; the script writes what is read here.
template <typename T>
T Member(const Json& json, const char* key, T otherwise) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return otherwise;
  const bool fits = std::is_same_v<T, std::string> ? it->is_string()
                    : std::is_same_v<T, bool>      ? it->is_boolean()
                                                   : it->is_number();
  return fits ? it->get<T>() : otherwise;
}

CheckResult FromJson(const Json& json) {
  CheckResult result;
  result.runtime = Member<std::string>(json, "runtime", "");
  result.passed = Member(json, "passed", false);
  result.texts = Member<int64_t>(json, "texts", 0);
  result.agreement = Member(json, "agreement", 0.0);
  result.difference = Member(json, "difference", std::numeric_limits<double>::infinity());
  result.tolerance = Member(json, "tolerance", 0.0);
  result.largest_logit = Member(json, "largest_logit", 0.0);
  result.layer = Member<std::string>(json, "layer", "");
  result.tokens = Member<int64_t>(json, "tokens", 0);
  result.threads = Member<int64_t>(json, "threads", 0);
  result.seconds = Member(json, "seconds", 0.0);
  result.own_seconds = Member(json, "own_seconds", 0.0);
  if (json.contains("int8_products")) result.int8_products = Member<int64_t>(json, "int8_products", 0);
  return result;
}

absl::Status Failed(const Exporter& exporter, const std::string& output) {
  return MessageStatus(absl::StatusCode::kInternal,
                       messages::kExportCheckFailed(exporter.runtime_packages().front(),
                                                    std::string(absl::StripTrailingAsciiWhitespace(output))));
}

int Threads(int asked) {
  return asked > 0 ? asked : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

absl::StatusOr<std::string> Texts(const std::string& path) {
  if (path.empty()) return std::string(runtimes::BuiltInTexts());
  QL_ASSIGN_OR_RETURN(std::string texts, ReadFile(path, kMaxTextBytes));
  if (IsValidUtf8(texts) && !absl::StripAsciiWhitespace(texts).empty()) return texts;
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kExportNoTexts(path));
}

}  // namespace

bool HasRuntime(const std::string& python, const Exporter& exporter) {
  ProcessSpec spec;
  spec.argv = {python, "-c", absl::StrCat("import ", absl::StrJoin(exporter.runtime_packages(), ", "))};
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {.timeout = kImportTimeout});
  return result.ok() && result->exit.ok();
}

absl::StatusOr<CheckResult> CheckExportedModel(const SourceModel& model, const Exporter& exporter,
                                               const CheckOptions& options, const std::string& folder) {
  QL_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make("quantlab-export"));
  const std::string script = scratch.path() + "/check_export.py", texts = scratch.path() + "/texts.txt",
                    result_path = scratch.path() + "/result.json";
  QL_ASSIGN_OR_RETURN(const std::string lines, Texts(options.texts));
  QL_ASSIGN_OR_RETURN(const runtimes::ModelForm form, runtimes::ReadModelForm(model.folder()));
  QL_RETURN_IF_ERROR(runtimes::WriteRuntimePrograms(scratch.path()));
  QL_RETURN_IF_ERROR(WriteFileAtomically(script, kCheckExport));
  QL_RETURN_IF_ERROR(WriteFileAtomically(texts, lines));
  const std::string format = exporter.name();
  ProcessSpec spec;
  spec.argv = {options.python, script,
               "--format",     format,
               "--runner",     options.runner,
               "--source",     model.folder(),
               "--exported",   folder,
               "--texts",      texts,
               "--result",     result_path,
               "--share",      RoundTrip(runtimes::ToleratedShare(form, format)),
               "--threads",    absl::StrCat(Threads(options.threads)),
               "--max-length", absl::StrCat(std::min(kMaxTokens, model.config().max_tokens()))};
  QL_ASSIGN_OR_RETURN(
      const CommandResult ended,
      RunCommand(*MakeProcessLauncher(), spec,
                 {.timeout = kTimeout, .should_stop = options.should_stop, .max_output = 4000}));
  const absl::StatusOr<std::string> text = ReadFile(result_path, kMaxTextBytes);
  if (!ended.exit.ok() || !text.ok()) return Failed(exporter, ended.output);
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Failed(exporter, *text);
  if (json.contains("error")) return Failed(exporter, Member<std::string>(json, "error", ""));
  return FromJson(json);
}

}  // namespace quantlab::model_export
