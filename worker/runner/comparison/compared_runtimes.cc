#include "worker/runner/comparison/compared_runtimes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/config/runtime_names.h"
#include "base/files.h"
#include "base/messages/runtimes.h"
#include "base/status_macros.h"
#include "platform/environment.h"
#include "platform/process.h"
#include "runtimes/runtime_commands.h"
#include "worker/engine/models/saved_model.h"
#include "worker/engine/text/tokenizer.h"
#include "worker/engine/train/evaluate.h"

namespace quantlab::runner {
namespace {

using runtimes::Logits;
using runtimes::RuntimeProcess;

constexpr char kCaveat[] = "runtime_left_out";
constexpr char kSavedFolder[] = "folder";  // the format of a saved model as it is
constexpr int64_t kMaxTokens = 128;        // of a compared text, as in the check of an export
constexpr absl::Duration kExportTimeout = absl::Hours(1);

// The words of a status as an argument of a message.
std::string Words(const absl::Status& status) {
  return std::string(status.message());
}

std::string ThreeDigits(double value) {
  return absl::StrFormat("%.3g", value);
}

// Texts that both sides compute, one at a time: some models have one scale for all texts of a batch.
absl::StatusOr<std::vector<engine::TokenizedText>> CheckedTexts(const std::string& model_folder) {
  QL_ASSIGN_OR_RETURN(const auto tokenizer, engine::Tokenizer::Load(model_folder));
  QL_ASSIGN_OR_RETURN(const engine::EncoderConfig config,
                      engine::ReadModelConfig(model_folder + "/config.json"));
  const auto longest = static_cast<int>(std::min(kMaxTokens, config.max_tokens()));
  std::vector<engine::TokenizedText> texts;
  const std::vector<std::string> lines =
      absl::StrSplit(runtimes::BuiltInTexts(), '\n', absl::SkipWhitespace());
  for (const std::string& line : lines) texts.push_back({tokenizer->Encode(line, longest), {}});
  return texts;
}

class Preparation {
 public:
  Preparation(Attempt& attempt, const std::vector<size_t>& first_of_same, std::string folder)
      : attempt_(attempt),
        first_of_same_(first_of_same),
        folder_(std::move(folder)),
        settings_(runtimes::RuntimeSettingsFrom(ProcessEnvironment())) {}

  absl::StatusOr<std::vector<ComparedRuntime>> Run(const std::vector<std::string>& names) {
    QL_RETURN_IF_ERROR(MakeDirectories(folder_));
    QL_RETURN_IF_ERROR(runtimes::WriteRuntimePrograms(folder_));
    QL_RETURN_IF_ERROR(ComputeHere());
    std::vector<ComparedRuntime> compared;
    for (const std::string& name : names) {
      QL_ASSIGN_OR_RETURN(ComparedRuntime runtime, Prepare(name));
      if (!runtime.models.empty()) compared.push_back(std::move(runtime));
    }
    return compared;
  }

 private:
  const std::vector<ModelInput>& inputs() const { return attempt_.job().inputs; }

  absl::Status ComputeHere() {
    QL_ASSIGN_OR_RETURN(texts_, CheckedTexts(inputs()[0].folder));
    for (size_t i = 0; i < inputs().size(); ++i) {
      expected_.emplace_back();
      if (first_of_same_[i] != i) continue;
      QL_ASSIGN_OR_RETURN(const engine::LoadedModel loaded, engine::LoadModel(inputs()[i].folder));
      QL_ASSIGN_OR_RETURN(expected_.back(),
                          engine::PredictLogits(*loaded.model, texts_, 1,
                                                [this](int64_t, int64_t) { return !attempt_.ShouldStop(); }));
    }
    return absl::OkStatus();
  }

  // Without models where the runtime is absent.
  absl::StatusOr<ComparedRuntime> Prepare(const std::string& name) {
    ComparedRuntime runtime;
    runtime.name = name;
    const auto start = [&]() -> absl::StatusOr<std::unique_ptr<RuntimeProcess>> {
      QL_ASSIGN_OR_RETURN(runtime.argv, runtimes::RuntimeCommand(name, settings_, folder_));
      return RuntimeProcess::Start(runtime.argv, {.should_stop = [this] { return attempt_.ShouldStop(); }});
    };
    const auto process = start();
    if (absl::IsCancelled(process.status())) return process.status();
    if (!process.ok()) {
      WarnOfAbsence(name, process.status());
      return runtime;
    }
    runtime.identity = (*process)->identity();
    for (size_t i = 0; i < inputs().size(); ++i) {
      if (first_of_same_[i] != i) continue;
      if (!attempt_.Report(messages::kStartingRuntimes(), static_cast<int64_t>(i),
                           static_cast<int64_t>(inputs().size()), "model")) {
        return absl::CancelledError("stopped while models were checked in other runtimes");
      }
      QL_RETURN_IF_ERROR(PrepareModel(i, **process, runtime));
    }
    return runtime;
  }

  void WarnOfAbsence(const std::string& name, const absl::Status& why) {
    const KnownRuntime* const known = FindRuntime(name);
    attempt_.Warn(kCaveat, known == nullptr ? messages::kRuntimeProgramAbsent(name, Words(why))
                                            : messages::kRuntimeAbsent(known->title, settings_.python,
                                                                       known->packages, Words(why)));
  }

  absl::Status PrepareModel(size_t input, RuntimeProcess& process, ComparedRuntime& runtime) {
    const std::string& variant = inputs()[input].variant;
    const std::string title = process.identity().title;
    QL_ASSIGN_OR_RETURN(const runtimes::ModelForm form, runtimes::ReadModelForm(inputs()[input].folder));
    const std::vector<std::string>& formats = process.identity().formats;
    const auto format = std::find_if(formats.begin(), formats.end(), [&](const std::string& offered) {
      return runtimes::ComputesAsMeasured(offered, form);
    });
    if (format == formats.end()) {
      attempt_.Warn(kCaveat, messages::kRuntimeWithoutForm(variant, title));
      return absl::OkStatus();
    }
    const absl::StatusOr<std::string> folder = Exported(input, *format);
    if (absl::IsCancelled(folder.status())) return folder.status();
    if (!folder.ok()) {
      attempt_.Warn(kCaveat, messages::kRuntimeNotExported(variant, title, Words(folder.status())));
      return absl::OkStatus();
    }
    const auto agreement = Agree(process, input, *folder, *format, runtimes::ToleratedShare(form, *format));
    if (absl::IsCancelled(agreement.status())) return agreement.status();
    if (!agreement.ok()) {
      attempt_.Warn(kCaveat, messages::kRuntimeCannotRun(variant, title, Words(agreement.status())));
    } else if (!agreement->passed) {
      attempt_.Warn(kCaveat,
                    messages::kRuntimeDiffers(variant, title, ThreeDigits(agreement->difference),
                                              ThreeDigits(agreement->tolerance), agreement->agreement));
    } else {
      runtime.models.push_back({input, *folder, *format, *agreement});
      RecordAgreement(runtime, runtime.models.back());
    }
    return absl::OkStatus();
  }

  // The folder of the model in `format`, written once.
  absl::StatusOr<std::string> Exported(size_t input, const std::string& format) {
    if (format == kSavedFolder) return inputs()[input].folder;
    const auto known = exported_.find({input, format});
    if (known != exported_.end()) return known->second;
    const std::string target = absl::StrCat(folder_, "/", input, "-", format);
    absl::StatusOr<std::string> folder = Export(inputs()[input].folder, format, target);
    if (!absl::IsCancelled(folder.status())) exported_.emplace(std::pair(input, format), folder);
    return folder;
  }

  absl::StatusOr<std::string> Export(const std::string& model, const std::string& format,
                                     const std::string& target) {
    ProcessSpec spec;
    spec.argv = {ExecutableFolder() + "/quant-export", model, "--to", format, "--out", target};
    const absl::StatusOr<CommandResult> done =
        RunCommand(*MakeProcessLauncher(), spec,
                   {.timeout = kExportTimeout, .should_stop = [this] { return attempt_.ShouldStop(); }});
    QL_RETURN_IF_ERROR(done.status());
    if (done->exit.ok()) return target;
    const std::string words(absl::StripAsciiWhitespace(done->output));
    return absl::InternalError(words.empty() ? DescribeExit(done->exit) : words);
  }

  absl::StatusOr<runtimes::Agreement> Agree(RuntimeProcess& process, size_t input, const std::string& folder,
                                            const std::string& format, double share) {
    QL_ASSIGN_OR_RETURN(const int64_t model,
                        process.Load(folder, format, std::max(1, attempt_.config().threads)));
    Logits actual;
    for (const engine::TokenizedText& text : texts_) {
      QL_ASSIGN_OR_RETURN(Logits logits, process.Run(model, {text.ids}));
      actual.push_back(std::move(logits.front()));
    }
    return runtimes::Compare(expected_[input], actual, share);
  }

  void RecordAgreement(const ComparedRuntime& runtime, const ComparedRuntime::Model& model) {
    for (size_t i = 0; i < inputs().size(); ++i) {
      if (first_of_same_[i] != model.input) continue;
      attempt_.Record(Metric{"runtime_logit_difference",
                             model.agreement.difference,
                             "1",
                             {{"variant", inputs()[i].variant},
                              {"runtime", runtime.name},
                              {"version", runtime.identity.version},
                              {"tolerance", ThreeDigits(model.agreement.tolerance)}},
                             0,
                             {},
                             {},
                             static_cast<int64_t>(texts_.size())});
    }
  }

  Attempt& attempt_;
  const std::vector<size_t>& first_of_same_;
  const std::string folder_;
  const runtimes::RuntimeSettings settings_;
  std::vector<engine::TokenizedText> texts_;
  std::vector<Logits> expected_;  // by input; empty for the same model again
  std::map<std::pair<size_t, std::string>, absl::StatusOr<std::string>> exported_;
};

}  // namespace

absl::StatusOr<std::vector<ComparedRuntime>> PrepareRuntimes(Attempt& attempt,
                                                             const std::vector<size_t>& first_of_same,
                                                             const std::string& folder) {
  std::vector<std::string> names = RuntimesOf(attempt.config());
  std::erase(names, kOwnRuntime);
  if (names.empty()) return std::vector<ComparedRuntime>();
  if (!attempt.device().is_cpu()) {
    attempt.Warn(kCaveat, messages::kRuntimesNeedCpu(attempt.device().name()));
    return std::vector<ComparedRuntime>();
  }
  return Preparation(attempt, first_of_same, folder).Run(names);
}

}  // namespace quantlab::runner
