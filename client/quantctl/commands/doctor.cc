// doctor: checks that everything an experiment needs is installed and works.
#include <filesystem>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "catalog/catalog.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/asset_check.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "platform/environment.h"
#include "platform/files.h"
#include "platform/process.h"

namespace quantlab::client {
namespace {

enum class Verdict { kOk, kWarning, kFailed };

struct Finding {
  Message check;
  Verdict verdict = Verdict::kOk;
  Message detail = {};
  Message remedy = {};
};

// A name, a path or another text that is the same in every language.
Message AsIs(const std::string& text) {
  return text.empty() ? Message() : messages::kWord(text);
}

Message Check(const char* term) {
  return messages::kTerm(term);
}

constexpr int64_t kEnoughSpace = int64_t{5} << 30;

// Runs a program and returns its exit code (or 128 + signal) and the end of its output.
absl::StatusOr<int> RunProgram(const std::vector<std::string>& argv, absl::Duration timeout,
                               std::string* output) {
  ProcessSpec spec;
  spec.argv = argv;
  QL_ASSIGN_OR_RETURN(const CommandResult result,
                      RunCommand(*MakeProcessLauncher(), spec, {.timeout = timeout, .max_output = 2000}));
  *output = std::string(absl::StripTrailingAsciiWhitespace(result.output));
  return result.exit.signal != 0 ? 128 + result.exit.signal : result.exit.code;
}

Finding CheckPrograms(const std::string& folder) {
  Finding finding{.check = Check("programs"), .detail = AsIs(folder)};
  for (const char* name : {"quant-coordinator", "quant-worker", "quant-runner"}) {
    if (access((folder + "/" + name).c_str(), X_OK) == 0) continue;
    finding.verdict = Verdict::kFailed;
    finding.detail = messages::kProgramMissing(absl::StrCat(folder, "/", name));
    finding.remedy = messages::kBuildEverything();
  }
  return finding;
}

Finding CheckRunner(const std::string& folder) {
  Finding finding{.check = Check("runner")};
  std::string output;
  const absl::StatusOr<int> code = RunProgram({folder + "/quant-runner", "info"}, absl::Seconds(60), &output);
  if (code.ok() && *code == 0) {
    finding.detail = messages::kRunnerWorks();
    return finding;
  }
  finding.verdict = Verdict::kFailed;
  finding.detail = code.ok() ? messages::kRunnerEnded(*code, output) : MessageOf(code.status());
  finding.remedy = messages::kLibTorchMoved();
  return finding;
}

Finding CheckDataFolder(const std::string& folder) {
  Finding finding{.check = Check("data folder"), .detail = AsIs(folder)};
  absl::Status status = MakeDirectories(folder);
  const std::string probe = folder + "/.doctor";
  if (status.ok()) status = WriteFileAtomically(probe, "x");
  unlink(probe.c_str());
  if (!status.ok()) {
    return {.check = Check("data folder"),
            .verdict = Verdict::kFailed,
            .detail = MessageOf(status),
            .remedy = messages::kChooseDataFolder()};
  }
  struct statvfs info;
  if (statvfs(folder.c_str(), &info) == 0) {
    const int64_t space = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
    finding.detail = messages::kFolderWithSpace(folder, HumanBytes(space));
    if (space < kEnoughSpace) {
      finding.verdict = Verdict::kWarning;
      finding.remedy = messages::kFreeSomeSpace(HumanBytes(kEnoughSpace));
    }
  }
  return finding;
}

Finding CheckSocket(const std::string& data_dir) {
  const absl::StatusOr<std::string> path = SocketPath(data_dir, EnvironmentVariable("XDG_RUNTIME_DIR"));
  if (path.ok())
    return {.check = Check("socket"),
            .detail = messages::kSocketLength(*path, static_cast<int64_t>(path->size()))};
  return {.check = Check("socket"),
          .verdict = Verdict::kFailed,
          .detail = MessageOf(path.status()),
          .remedy = messages::kShorterDataFolder()};
}

Finding CheckPython() {
  Finding finding{.check = Check("python and pip")};
  std::string python = EnvironmentVariable("QUANTLAB_PYTHON");
  if (python.empty()) python = "python3";
  std::string output;
  const absl::StatusOr<int> code = RunProgram({python, "-m", "pip", "--version"}, absl::Seconds(30), &output);
  finding.detail = code.ok() ? AsIs(output) : MessageOf(code.status());
  if (code.ok() && *code == 0) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy = messages::kInstallPip();
  return finding;
}

std::vector<Finding> CheckAssets(Session& session, const std::string& programs) {
  std::error_code error;
  const std::string catalog = session.settings().catalog.empty()
                                  ? FindCatalog(programs, std::filesystem::current_path(error).string())
                                  : session.settings().catalog;
  if (catalog.empty()) {
    return {{.check = Check("catalogue"),
             .verdict = Verdict::kWarning,
             .detail = messages::kNoneFound(),
             .remedy = messages::kNameCatalogue()}};
  }
  const absl::StatusOr<Catalog> entries = Catalog::Load(catalog);
  if (!entries.ok()) {
    return {{.check = Check("catalogue"),
             .verdict = Verdict::kFailed,
             .detail = MessageOf(entries.status()),
             .remedy = messages::kCorrectFile()}};
  }
  const absl::StatusOr<std::string> root = AssetsFolder("", ProcessEnvironment());
  if (!root.ok()) {
    return {
        {.check = Check("assets folder"), .verdict = Verdict::kFailed, .detail = MessageOf(root.status())}};
  }
  std::vector<Finding> findings = {{.check = Check("catalogue"), .detail = AsIs(catalog)}};
  for (const CatalogEntry& entry : entries->entries()) {
    if (!entry.wheel.has_value()) continue;  // a path that the user provides
    Finding finding{.check = messages::kAssetCheck(entry.name)};
    const AssetCheck check = CheckAsset(absl::StrCat(*root, "/", entry.name), entry.wheel->files);
    finding.detail = AsIs(check.detail);
    if (check.state == AssetCheck::kMissing) {
      finding.verdict = Verdict::kWarning;
      finding.remedy = messages::kFetchedWhenNeeded();
    } else if (check.state == AssetCheck::kDamaged) {
      finding.verdict = Verdict::kFailed;
      finding.remedy = messages::kRemoveAsset(absl::StrCat(*root, "/", entry.name));
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

Finding CheckWorkers(Client& client, bool embedded) {
  const absl::Time deadline = absl::Now() + (embedded ? absl::Seconds(60) : absl::ZeroDuration());
  while (true) {
    const absl::StatusOr<v1::ListWorkersResponse> answer = client.ListWorkers();
    if (!answer.ok()) {
      return {.check = Check("worker"), .verdict = Verdict::kFailed, .detail = MessageOf(answer.status())};
    }
    int alive = 0;
    for (const v1::WorkerStatus& worker : answer->workers())
      alive += worker.state() != v1::WORKER_STATE_GONE ? 1 : 0;
    if (alive > 0) return {.check = Check("worker"), .detail = messages::kWorkersConnected(alive)};
    if (absl::Now() >= deadline) break;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return {.check = Check("worker"),
          .verdict = Verdict::kFailed,
          .detail = messages::kNoWorkerSoNothingRuns(),
          .remedy = embedded ? messages::kSeeWorkerLog() : messages::kStartWorker(client.address())};
}

std::vector<Finding> CheckService(Session& session) {
  const bool embedded = session.settings().coordinator.empty();
  const absl::StatusOr<Client*> client = session.Connect(/*want_worker=*/true);
  absl::Status status = client.status();
  if (status.ok()) status = (*client)->ListCatalog().status();
  if (!status.ok()) {
    return {{.check = Check("coordinator"),
             .verdict = Verdict::kFailed,
             .detail = MessageOf(status),
             .remedy =
                 embedded ? messages::kSeeLogs(EmbeddedPaths(session.settings().data_dir).logs) : Message()}};
  }
  return {{.check = Check("coordinator"),
           .detail = embedded ? messages::kOwnCoordinator((*client)->address()) : AsIs((*client)->address())},
          CheckWorkers(**client, embedded)};
}

const char* VerdictWord(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kWarning ? "warning" : "failed";
}

int Show(Session& session, const std::vector<Finding>& findings) {
  bool failed = false;
  Table table({{""}, {"CHECK"}, {"FOUND"}});
  Json body = Json::object();
  body["checks"] = Json::array();
  for (const Finding& finding : findings) {
    failed = failed || finding.verdict == Verdict::kFailed;
    const Cell mark = finding.verdict == Verdict::kOk        ? Cell("ok", Tone::kGood)
                      : finding.verdict == Verdict::kWarning ? Cell("note", Tone::kBusy)
                                                             : Cell("FAIL", Tone::kBad);
    const std::string detail = session.Say(finding.detail), remedy = session.Say(finding.remedy);
    table.Add({{session.Term(mark.text), mark.tone},
               session.Say(finding.check),
               remedy.empty() ? detail : absl::StrCat(detail, "\n-> ", remedy)});
    body["checks"].push_back({{"check", English(finding.check)},
                              {"result", VerdictWord(finding.verdict)},
                              {"detail", English(finding.detail)},
                              {"remedy", English(finding.remedy)}});
  }
  body["ok"] = !failed;
  if (session.is_table()) session.Print(table);
  if (!session.is_table()) session.PrintDocument("Doctor", body);
  return failed ? kExitRunsFailed : kExitOk;
}

absl::StatusOr<int> Doctor(Session& session) {
  const std::string programs = ExecutableFolder();
  std::vector<Finding> findings;
  const std::string& config = session.settings().config_file;
  findings.push_back(
      {.check = Check("settings file"), .detail = config.empty() ? messages::kTerm("none") : AsIs(config)});
  const bool embedded = session.settings().coordinator.empty();
  if (embedded) {
    findings.push_back(CheckPrograms(programs));
    findings.push_back(CheckRunner(programs));
    findings.push_back(CheckDataFolder(session.settings().data_dir));
    findings.push_back(CheckSocket(session.settings().data_dir));
    findings.push_back(CheckPython());
    for (Finding& finding : CheckAssets(session, programs)) findings.push_back(std::move(finding));
  }
  for (Finding& finding : CheckService(session)) findings.push_back(std::move(finding));
  const int code = Show(session, findings);
  session.Disconnect(/*wait=*/true);
  return code;
}

}  // namespace

void AddDoctorCommand(CommandLine& line) {
  CLI::App* command = AddCommand(line, "doctor", line.Say(messages::kHelpDoctor()), "  quantctl doctor");
  command->callback([&line] { line.action = Doctor; });
}

}  // namespace quantlab::client
