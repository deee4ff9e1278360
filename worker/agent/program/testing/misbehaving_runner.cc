// Replaces quant-runner in tests of the agent. The run's name in the job selects its behaviour, correct or
// faulty. Uses only the command line and the event pipe.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

int events_fd = -1;
std::string job;
std::vector<std::string> arguments;
volatile sig_atomic_t asked_to_stop = 0;

// The text after `"key":"` in the job.
std::string Text(const std::string& key) {
  const std::string mark = "\"" + key + "\":\"";
  const size_t start = job.find(mark);
  if (start == std::string::npos) return "";
  const size_t begin = start + mark.size();
  return job.substr(begin, job.find('"', begin) - begin);
}

void Send(const std::string& line) {
  const std::string text = line + "\n";
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t put = write(events_fd, text.data() + done, text.size() - done);
    if (put <= 0) _exit(9);  // the reader has gone
    done += static_cast<size_t>(put);
  }
}

void Log(const std::string& message) {
  Send(R"({"log":{"severity":"SEVERITY_INFO","message":")" + message + "\"}}");
}

void Metric(const std::string& name, double value) {
  Send(R"({"metric":{"name":")" + name + R"(","value":)" + std::to_string(value) + R"(,"unit":"1"}})");
}

void Artifact(const std::string& name, const std::string& content) {
  std::ofstream(Text("outputFolder") + "/" + name, std::ios::binary) << content;
  Send(R"({"artifact":{"name":")" + name + "\"}}");
}

void Finish() {
  Send(R"({"finished":{"ok":true}})");
}

void WaitForever() {
  while (true) pause();
}

void Succeed() {
  Send(R"({"progress":{"phase":"training","done":"1","total":"2","unit":"step"}})");
  Log("working");
  Metric("accuracy", 0.75);
  Artifact("model.bin", std::string(100'000, 'm'));
  Finish();
}

void StopHandler() {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = [](int) { asked_to_stop = 1; };
  sigaction(SIGTERM, &action, nullptr);
}

void StopWhenAsked() {
  StopHandler();
  Log("ready to be stopped");
  while (asked_to_stop == 0) usleep(1000);
  Send(
      R"({"finished":{"ok":false,"code":"CANCELLED","message":"stopped between two steps","stopped":true}})");
}

// The state of a training after `step`, in the folder where the agent expects it.
void Checkpoint(int step) {
  mkdir((Text("outputFolder") + "/checkpoint").c_str(), 0700);
  char name[64];
  snprintf(name, sizeof name, "checkpoint/step-%012d.safetensors", step);
  Artifact(name, "state after step " + std::to_string(step));
}

void SaveWhenStopped() {
  Checkpoint(1);
  StopHandler();
  Log("ready to be stopped");
  while (asked_to_stop == 0) usleep(1000);
  Checkpoint(2);
  Send(R"({"finished":{"ok":false,"code":"CANCELLED","message":"stopped","stopped":true}})");
}

// As many as it can write while nobody uploads them, of which it keeps the newest two.
void SaveOften() {
  for (int step = 1; step <= 50; ++step) {
    Checkpoint(step);
    char name[64];
    snprintf(name, sizeof name, "/checkpoint/step-%012d.safetensors", step - 2);
    unlink((Text("outputFolder") + name).c_str());
  }
  Log("saved");
  kill(getpid(), SIGKILL);
}

void ReportArguments() {
  for (const std::string& argument : arguments) Log(argument);
  struct stat info;
  if (!arguments.empty() && stat(arguments.back().c_str(), &info) == 0) {
    Metric("last_argument_bytes", static_cast<double>(info.st_size));
  }
  Finish();
}

void IgnoreTerm() {
  signal(SIGTERM, SIG_IGN);
  Log("deaf");
  WaitForever();
}

// Succeeds once the file named by the environment exists; the test creates it.
void WaitForFile() {
  Log("waiting for the file");
  const char* path = getenv("QUANTLAB_TEST_FILE");
  while (access(path, F_OK) != 0) usleep(1000);
  Succeed();
}

void LeaveChildBehind() {
  if (fork() == 0) {
    signal(SIGTERM, SIG_IGN);
    WaitForever();
  }
  Finish();
}

// Reports which of its inputs exist, with their sizes.
void ReportInputs() {
  size_t position = 0;
  const std::string mark = "\"folder\":\"";
  while ((position = job.find(mark, position)) != std::string::npos) {
    position += mark.size();
    const std::string folder = job.substr(position, job.find('"', position) - position);
    struct stat info;
    if (stat((folder + "/model.bin").c_str(), &info) == 0)
      Metric("input_bytes", static_cast<double>(info.st_size));
  }
  struct stat info;
  if (stat((Text("datasetFolder") + "/data.csv").c_str(), &info) == 0) {
    Metric("dataset_bytes", static_cast<double>(info.st_size));
  }
  Finish();
}

const std::map<std::string, void (*)()>& Behaviours() {
  static const std::map<std::string, void (*)()> behaviours = {
      {"succeed", Succeed},
      {"report_inputs", ReportInputs},
      {"wait_for_file", WaitForFile},
      {"stop_when_asked", StopWhenAsked},
      {"save_when_stopped", SaveWhenStopped},
      {"save_often", SaveOften},
      {"save_and_succeed",
       [] {
         Checkpoint(1);
         Succeed();
       }},
      {"report_arguments", ReportArguments},
      {"ignore_term", IgnoreTerm},
      {"leave_child_behind", LeaveChildBehind},
      {"wait",
       [] {
         Log("waiting");
         WaitForever();
       }},
      {"report_failure",
       [] {
         Send(
             R"({"finished":{"ok":false,"code":"INVALID_ARGUMENT","message":"dataset.csv:7: a quote is not closed"}})");
         exit(1);
       }},
      {"garbage",
       [] {
         Log("one");
         Send("Segmentation fault \xff\xfe (core dumped)");
         WaitForever();
       }},
      {"huge_line",
       [] {
         Log(std::string(3 << 20, 'x'));
         Finish();
       }},
      {"endless_line",
       [] {
         const std::string part(65536, 'y');
         while (write(events_fd, part.data(), part.size()) > 0) {
         }
         _exit(9);
       }},
      {"close_pipe",
       [] {
         Log("closing");
         close(events_fd);
         usleep(1000);
         exit(0);
       }},
      {"torn_last_line",
       [] {
         Log("one");
         (void)!write(events_fd, "{\"finished\":{\"ok\"", 17);
       }},
      {"exit_without_word",
       [] {
         fprintf(stderr, "terminate called after throwing\nlast words\n");
         exit(3);
       }},
      {"fail_after_success",
       [] {
         Finish();
         exit(4);
       }},
      {"talk_after_success",
       [] {
         Finish();
         Log("one more thing");
       }},
      {"kill_itself",
       [] {
         Metric("accuracy", 0.5);
         kill(getpid(), SIGKILL);
       }},
      {"segfault",
       [] {
         signal(SIGSEGV, SIG_DFL);
         raise(SIGSEGV);
       }},
      {"flood",
       [] {
         for (int i = 0; i < 20'000; ++i) Metric("loss", i);
         Finish();
       }},
      {"flood_progress",
       [] {
         for (int i = 1; i <= 20'000; ++i) {
           Send(R"({"progress":{"phase":"training","done":")" + std::to_string(i) + R"(","total":"20000"}})");
         }
         Finish();
       }},
      {"flood_output",
       [] {
         for (int i = 0; i < 20'000; ++i) fprintf(stderr, "line %d\n", i);
         Finish();
       }},
      {"binary_output",
       [] {
         fwrite("\x00\x01\xff\xfe broken \xc3\n", 1, 14, stderr);
         Finish();
       }},
      {"missing_artifact",
       [] {
         Send(R"({"artifact":{"name":"nowhere.bin"}})");
         Finish();
       }},
      {"escaping_artifact",
       [] {
         Send(R"({"artifact":{"name":"../job.json"}})");
         Finish();
       }},
      {"linked_artifact",
       [] {
         (void)!symlink("/etc/passwd", (Text("outputFolder") + "/link").c_str());
         Send(R"({"artifact":{"name":"link"}})");
         Finish();
       }},
      {"same_artifact_twice",
       [] {
         Artifact("a.bin", "same");
         Artifact("a.bin", "same");
         Finish();
       }},
      {"hang_after_success",
       [] {
         Finish();
         signal(SIGTERM, SIG_IGN);
         WaitForever();
       }},
      {"environment",
       [] {
         // Open descriptors other than 0, 1, 2 and the event pipe.
         int open_fds = 0;
         for (int fd = 0; fd < 256; ++fd) {
           if (fd > 2 && fd != events_fd && fcntl(fd, F_GETFD) >= 0) ++open_fds;
         }
         Metric("inherited_descriptors", open_fds);
         Metric("leads_group", getpgrp() == getpid() ? 1 : 0);
         sigset_t blocked;
         sigprocmask(SIG_SETMASK, nullptr, &blocked);
         Metric("term_blocked", sigismember(&blocked, SIGTERM));
         Finish();
       }},
  };
  return behaviours;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "info") {
    printf(R"({"version":1,"devices":["cpu"],"methods":[{"name":"dynamic_quantization","version":1}],)"
           R"("fingerprint":"test","facts":{"torch":"none","cores":2}})"
           "\n");
    return 0;
  }
  arguments.assign(argv + 1, argv + argc);
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--job") job = ReadAll(argv[i + 1]);
    if (std::string(argv[i]) == "--events-fd") events_fd = atoi(argv[i + 1]);
  }
  const auto behaviour = Behaviours().find(Text("runName"));
  if (behaviour == Behaviours().end()) {
    fprintf(stderr, "no behaviour '%s'\n", Text("runName").c_str());
    return 2;
  }
  behaviour->second();
  return 0;
}
