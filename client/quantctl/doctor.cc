// doctor: whether everything that an experiment needs is here and works.
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/embedded/child_keeper.h"
#include "client/quantctl/catalog_assets.h"
#include "client/quantctl/commands.h"
#include "client/quantctl/exit_codes.h"

namespace quantlab::client {
namespace {

enum class Verdict { kOk, kWarning, kFailed };

struct Finding {
  std::string check;
  Verdict verdict = Verdict::kOk;
  std::string detail = {};
  std::string remedy = {};
};

constexpr int64_t kEnoughSpace = int64_t{5} << 30;

// Runs a program to its end; its exit code (or 128 + signal) and the end of its output.
absl::StatusOr<int> RunProgram(const std::vector<std::string>& argv, absl::Duration timeout,
                               std::string* output) {
  char path[] = "/tmp/quantctl-doctor-XXXXXX";
  const int fd = mkstemp(path);
  if (fd < 0) return FileError(errno, "create", path);
  close(fd);
  SpawnOptions spawn;
  spawn.argv = argv;
  spawn.log_path = path;
  absl::StatusOr<pid_t> pid = Spawn(spawn);
  int status = 0;
  if (pid.ok()) {
    const absl::Time deadline = absl::Now() + timeout;
    while (waitpid(*pid, &status, WNOHANG) == 0) {
      if (absl::Now() > deadline) {
        kill(*pid, SIGKILL);
        waitpid(*pid, &status, 0);
        break;
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    *output = TailOf(path, 3);
  }
  unlink(path);
  QL_RETURN_IF_ERROR(pid.status());
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Finding CheckPrograms(const std::string& folder) {
  Finding finding{.check = "programs", .detail = folder};
  for (const char* name : {"quant-coordinator", "quant-worker", "quant-runner"}) {
    if (access((folder + "/" + name).c_str(), X_OK) == 0) continue;
    finding.verdict = Verdict::kFailed;
    finding.detail = absl::StrCat(folder, "/", name, " is missing");
    finding.remedy = "build everything: scripts/setup.sh and cmake --build";
  }
  return finding;
}

Finding CheckRunner(const std::string& folder) {
  Finding finding{.check = "runner"};
  std::string output;
  const absl::StatusOr<int> code = RunProgram({folder + "/quant-runner", "info"}, absl::Seconds(60), &output);
  if (code.ok() && *code == 0) {
    finding.detail = "quant-runner info works";
    return finding;
  }
  finding.verdict = Verdict::kFailed;
  finding.detail = code.ok() ? absl::StrCat("quant-runner info ended with ", *code, ": ", output)
                             : std::string(code.status().message());
  finding.remedy = "is LibTorch where it was when quant-runner was built? scripts/setup.sh installs it";
  return finding;
}

Finding CheckDataFolder(const std::string& folder) {
  Finding finding{.check = "data folder", .detail = folder};
  absl::Status status = MakeDirectories(folder);
  const std::string probe = folder + "/.doctor";
  if (status.ok()) status = WriteFileAtomically(probe, "x");
  unlink(probe.c_str());
  if (!status.ok()) {
    return {.check = "data folder",
            .verdict = Verdict::kFailed,
            .detail = std::string(status.message()),
            .remedy = "choose another with --data-dir or QUANTLAB_DATA_DIR"};
  }
  struct statvfs info;
  if (statvfs(folder.c_str(), &info) == 0) {
    const int64_t space = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
    absl::StrAppend(&finding.detail, ", ", HumanBytes(space), " free");
    if (space < kEnoughSpace) {
      finding.verdict = Verdict::kWarning;
      finding.remedy = absl::StrCat("experiments want about ", HumanBytes(kEnoughSpace), "; free some space");
    }
  }
  return finding;
}

Finding CheckSocket(const std::string& data_dir) {
  const absl::StatusOr<std::string> path = SocketPath(data_dir, Variable("XDG_RUNTIME_DIR"));
  if (path.ok())
    return {.check = "socket", .detail = absl::StrCat(*path, " (", path->size(), " of 107 bytes)")};
  return {.check = "socket",
          .verdict = Verdict::kFailed,
          .detail = std::string(path.status().message()),
          .remedy = "choose a shorter data folder"};
}

Finding CheckPython() {
  Finding finding{.check = "python and pip"};
  std::string python = Variable("QUANTLAB_PYTHON");
  if (python.empty()) python = "python3";
  std::string output;
  const absl::StatusOr<int> code =
      RunProgram({"/usr/bin/env", python, "-m", "pip", "--version"}, absl::Seconds(30), &output);
  finding.detail = code.ok() ? output : std::string(code.status().message());
  if (code.ok() && *code == 0) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy =
      "pip fetches the catalogue's models and datasets: install python3-pip, or set QUANTLAB_PYTHON";
  return finding;
}

std::vector<Finding> CheckAssets(Session& session, const std::string& programs) {
  std::error_code error;
  const std::string catalog = session.settings().catalog.empty()
                                  ? FindCatalog(programs, std::filesystem::current_path(error).string())
                                  : session.settings().catalog;
  if (catalog.empty()) {
    return {{.check = "catalogue",
             .verdict = Verdict::kWarning,
             .detail = "none found",
             .remedy = "name one with --catalog or QUANTLAB_CATALOG, or run from the source tree"}};
  }
  const absl::StatusOr<std::vector<CatalogAsset>> assets = ReadCatalogAssets(catalog);
  if (!assets.ok()) {
    return {{.check = "catalogue",
             .verdict = Verdict::kFailed,
             .detail = std::string(assets.status().message()),
             .remedy = "correct the file"}};
  }
  std::vector<Finding> findings = {{.check = "catalogue", .detail = catalog}};
  const std::string root = AssetsRoot(ProcessEnvironment());
  for (const CatalogAsset& asset : *assets) {
    Finding finding{.check = "asset " + asset.name};
    const AssetCheck check = CheckAsset(root, asset);
    finding.detail = check.detail;
    if (check.state == AssetCheck::kMissing) {
      finding.verdict = Verdict::kWarning;
      finding.remedy = "fetched when an experiment first needs it";
    } else if (check.state == AssetCheck::kDamaged) {
      finding.verdict = Verdict::kFailed;
      finding.remedy = absl::StrCat("remove ", root, "/", asset.name, "; it is fetched again");
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
      return {
          .check = "worker", .verdict = Verdict::kFailed, .detail = std::string(answer.status().message())};
    }
    int alive = 0;
    for (const v1::WorkerStatus& worker : answer->workers())
      alive += worker.state() != v1::WORKER_STATE_GONE ? 1 : 0;
    if (alive > 0)
      return {.check = "worker",
              .detail = absl::StrCat(alive, alive == 1 ? " worker is there" : " workers are there")};
    if (absl::Now() >= deadline) break;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return {.check = "worker",
          .verdict = Verdict::kFailed,
          .detail = "no worker is there, so nothing would run",
          .remedy = embedded ? "see logs/worker.log in the data folder"
                             : "start one: quant-worker --coordinator " + client.address()};
}

std::vector<Finding> CheckService(Session& session) {
  const bool embedded = session.settings().coordinator.empty();
  const absl::StatusOr<Client*> client = session.Connect(/*want_worker=*/true);
  absl::Status status = client.status();
  if (status.ok()) status = (*client)->ListCatalog().status();
  if (!status.ok()) {
    return {
        {.check = "coordinator",
         .verdict = Verdict::kFailed,
         .detail = std::string(status.message()),
         .remedy = embedded ? absl::StrCat("see ", EmbeddedPaths(session.settings().data_dir).logs) : ""}};
  }
  return {
      {.check = "coordinator", .detail = absl::StrCat((*client)->address(), embedded ? " (your own)" : "")},
      CheckWorkers(**client, embedded)};
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
    table.Add(
        {mark, finding.check,
         finding.remedy.empty() ? finding.detail : absl::StrCat(finding.detail, "\n-> ", finding.remedy)});
    body["checks"].push_back({{"check", finding.check},
                              {"result", mark.text},
                              {"detail", finding.detail},
                              {"remedy", finding.remedy}});
  }
  body["ok"] = !failed;
  if (session.is_table()) session.Print(table);
  if (!session.is_table()) session.PrintDocument("Doctor", body);
  return failed ? kExitRunsFailed : kExitOk;
}

absl::StatusOr<int> Doctor(Session& session) {
  const std::string programs = ProgramFolder();
  std::vector<Finding> findings;
  const std::string& config = session.settings().config_file;
  findings.push_back({.check = "settings file", .detail = config.empty() ? "none" : config});
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
  CLI::App* command = AddCommand(line, "doctor", "Check the installation", "  quantctl doctor");
  command->callback([&line] { line.action = Doctor; });
}

}  // namespace quantlab::client
