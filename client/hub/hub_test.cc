// Downloads from a server in this process that speaks a hub's protocol, with the faults that networks have.
#include "client/hub/hub.h"

#include <arpa/inet.h>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/git_blob.h"
#include "base/messages/message_catalogue.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "client/hub/http.h"
#include "client/hub/hub_listing.h"
#include "platform/file_lock.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

struct Request {
  std::string path;
  std::map<std::string, std::string> headers;  // by lower-case name
};

struct Reply {
  int status = 200;
  std::vector<std::string> headers = {};
  std::string body = {};
  int64_t cut_after = -1;  // bytes of the body; then the connection is closed
};

// One request per connection, one connection at a time.
class Server {
 public:
  explicit Server(std::function<Reply(const Request&)> answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }

 private:
  void Serve() {
    while (true) {
      const int peer = accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      Answer(peer);
      close(peer);
    }
  }

  static void Send(int peer, const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t count = send(peer, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<size_t>(count);
    }
  }

  void Answer(int peer) {
    std::string head;
    char part[4096];
    while (!absl::StrContains(head, "\r\n\r\n")) {
      const ssize_t count = recv(peer, part, sizeof part, 0);
      if (count <= 0) return;
      head.append(part, static_cast<size_t>(count));
    }
    const std::vector<std::string> lines = absl::StrSplit(head, "\r\n");
    Request request;
    request.path = std::vector<std::string>(absl::StrSplit(lines[0], ' '))[1];
    for (const std::string& line : lines) {
      const std::pair<std::string, std::string> field = absl::StrSplit(line, absl::MaxSplits(": ", 1));
      if (!field.second.empty()) request.headers[absl::AsciiStrToLower(field.first)] = field.second;
    }
    const Reply reply = answer_(request);
    std::string text = absl::StrCat("HTTP/1.1 ", reply.status,
                                    " X\r\nConnection: close\r\nContent-Length: ", reply.body.size(), "\r\n");
    for (const std::string& header : reply.headers) absl::StrAppend(&text, header, "\r\n");
    Send(peer, text + "\r\n");
    Send(peer, reply.cut_after < 0 ? reply.body : reply.body.substr(0, static_cast<size_t>(reply.cut_after)));
  }

  const std::function<Reply(const Request&)> answer_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

const char kCommit[] = "0123456789abcdef0123456789abcdef01234567";
const char kConfig[] =
    R"({"model_type":"bert","architectures":["BertModel"],"vocab_size":4,"hidden_size":4,"num_hidden_layers":1,)"
    R"("num_attention_heads":1,"intermediate_size":4,"max_position_embeddings":4,"type_vocab_size":2})";

// Safetensors with one tensor of `floats` zeros.
std::string Weights(size_t floats) {
  std::string header =
      absl::StrCat(R"({"w":{"dtype":"F32","shape":[)", floats, R"(],"data_offsets":[0,)", floats * 4, "]}}");
  std::string size(8, '\0');
  for (int i = 0; i < 8; ++i) size[static_cast<size_t>(i)] = static_cast<char>(header.size() >> (8 * i));
  return size + header + std::string(floats * 4, '\0');
}

// A hub with one model. Faults are set before requests come, or from `before`.
class HubTest : public ::testing::Test {
 protected:
  HubTest() : server_([this](const Request& request) { return Answer(request); }) {
    files_ = {{"config.json", kConfig},
              {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"},
              {"model.safetensors", Weights(50'000)},
              {"README.md", "not of the model"},
              {"onnx/model.json", "{}"}};
    options_.endpoint = server_.url();
    options_.cache = folder_ / "hub";
    options_.asked_as = "hf:owner/tiny";
    options_.first_pause = absl::Milliseconds(1);
    options_.note = [this](const Message& note) { notes_.push_back(English(note)); };
    options_.progress = [this](const Message& step) { steps_.push_back(English(step)); };
  }

  std::string Listing() const {
    nlohmann::json siblings = nlohmann::json::array();
    for (const auto& [path, content] : files_) {
      nlohmann::json one = {{"rfilename", path}, {"size", content.size()}, {"blobId", GitBlobId(content)}};
      if (absl::EndsWith(path, ".safetensors")) {
        one["lfs"] = {{"sha256", Sha256Hex(content)}, {"size", content.size()}, {"pointerSize", 134}};
      }
      siblings.push_back(one);
    }
    return nlohmann::json{{"sha", kCommit}, {"private", false}, {"siblings", siblings}}.dump();
  }

  Reply Answer(const Request& request) {
    MutexLock lock(mutex_);
    requests_.push_back(request);
    if (before_) {
      if (std::optional<Reply> fault = before_(request)) return *fault;
    }
    if (absl::StartsWith(request.path, "/api/models/owner/tiny/revision/")) return {.body = Listing()};
    const std::string prefix = absl::StrCat("/owner/tiny/resolve/", kCommit, "/");
    const std::string name = absl::StartsWith(request.path, prefix) ? request.path.substr(prefix.size()) : "";
    const auto file = files_.find(name);
    if (file == files_.end()) return {.status = 404};
    return Part(request, file->second);
  }

  static Reply Part(const Request& request, const std::string& content) {
    const auto range = request.headers.find("range");
    size_t from = 0;
    if (range == request.headers.end()) return {.body = content};
    EXPECT_TRUE(absl::SimpleAtoi(range->second.substr(6, range->second.size() - 7), &from)) << range->second;
    if (from >= content.size()) return {.status = 416};
    return {.status = 206,
            .headers = {absl::StrCat("Content-Range: bytes ", from, "-", content.size() - 1, "/",
                                     content.size())},
            .body = content.substr(from)};
  }

  static bool IsFor(const Request& request, absl::string_view file) {
    return absl::EndsWith(request.path, absl::StrCat("/", file));
  }

  absl::StatusOr<std::string> Fetch() { return FetchModel({"owner/tiny", "main"}, options_); }

  // Requests for a file, or for what contains `part`.
  int Count(absl::string_view part) {
    MutexLock lock(mutex_);
    return static_cast<int>(std::count_if(requests_.begin(), requests_.end(), [&](const Request& request) {
      return absl::StrContains(request.path, part);
    }));
  }

  std::string LastRange(absl::string_view file) {
    MutexLock lock(mutex_);
    std::string range;
    for (Request& request : requests_) {
      if (IsFor(request, file)) range = request.headers["range"];
    }
    return range;
  }

  const TempFolder folder_;
  std::map<std::string, std::string> files_;
  Mutex mutex_;
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
  std::function<std::optional<Reply>(const Request&)> before_;
  HubOptions options_;
  std::vector<std::string> notes_, steps_;
  Server server_;  // last: its thread uses the others
};

TEST_F(HubTest, DownloadsAModelIntoTheUsualLayout) {
  const auto path = Fetch();
  ASSERT_TRUE(path.ok()) << path.status();
  const fs::path model = fs::path(options_.cache) / "models--owner--tiny";
  EXPECT_EQ(*path, (model / "snapshots" / kCommit).string());
  EXPECT_EQ(*ReadFile(*path + "/model.safetensors", 1 << 20), files_["model.safetensors"]);
  EXPECT_EQ(fs::read_symlink(*path + "/config.json"), fs::path("../../blobs") / GitBlobId(kConfig));
  EXPECT_TRUE(fs::exists(model / "blobs" / Sha256Hex(files_["model.safetensors"])));
  EXPECT_EQ(*ReadFile((model / "refs/main").string(), 100), kCommit);
  EXPECT_FALSE(fs::exists(*path + "/README.md"));
  EXPECT_FALSE(fs::exists(*path + "/onnx"));
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_THAT(notes_[0], HasSubstr("downloaded owner/tiny at 0123456789ab into "));
  EXPECT_THAT(steps_, ::testing::Contains(HasSubstr("downloading owner/tiny: ")));
}

TEST_F(HubTest, NamesThatAUrlCannotHoldAreEscaped) {
  files_["notes? 50%#1.txt"] = "a";
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "notes%3F%2050%25%231.txt")) return std::nullopt;
    return Reply{.body = "a"};
  };
  const auto path = Fetch();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path + "/notes? 50%#1.txt", 100), "a");
}

TEST_F(HubTest, ASnapshotThatIsReadMeanwhileKeepsItsLinks) {
  const auto path = Fetch();
  ASSERT_TRUE(path.ok()) << path.status();
  struct stat before {
  }, after{};
  ASSERT_EQ(lstat((*path + "/config.json").c_str(), &before), 0);
  ASSERT_TRUE(Fetch().ok());
  ASSERT_EQ(lstat((*path + "/config.json").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

TEST_F(HubTest, ADownloadWaitsForThatOfAnotherProcessAndSaysSo) {
  const std::string folder = options_.cache + "/.locks/models--owner--tiny";
  fs::create_directories(folder);
  auto held = FileLock::Try(folder + "/quantlab.lock");
  ASSERT_TRUE(held.ok() && *held != nullptr);
  options_.progress = [&](const Message& step) {
    steps_.push_back(English(step));
    if (absl::StartsWith(steps_.back(), "waiting: ")) held->reset();
  };
  ASSERT_TRUE(Fetch().ok());
  EXPECT_THAT(steps_, testing::Contains("waiting: another quantctl is downloading owner/tiny"));
}

TEST_F(HubTest, ProgressLeavesOutWhatIsThrownAway) {
  ASSERT_TRUE(Fetch().ok());
  const std::string& weights = files_["model.safetensors"];
  const fs::path blob = fs::path(options_.cache) / "models--owner--tiny/blobs" / Sha256Hex(weights);
  fs::remove(blob);
  std::ofstream(blob.string() + ".incomplete") << std::string(2 * weights.size(), 'x');
  std::vector<int64_t> done;
  options_.progress = [&](const Message& step) {
    for (const MessageArgument& argument : step.arguments) {
      if (argument.name == "done") done.push_back(std::get<int64_t>(argument.value));
    }
  };
  ASSERT_TRUE(Fetch().ok());
  ASSERT_FALSE(done.empty());
  EXPECT_LE(done.front(), static_cast<int64_t>(weights.size()));
}

TEST_F(HubTest, WhatTheCacheHasIsNotDownloadedAgain) {
  ASSERT_TRUE(Fetch().ok());
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(Count("/api/models/"), 2);
  EXPECT_EQ(Count("/resolve/"), 3);
  EXPECT_EQ(notes_.size(), 1u);
  // A commit cannot change, so that the hub need not be asked.
  ASSERT_TRUE(FetchModel({"owner/tiny", kCommit}, options_).ok());
  EXPECT_EQ(Count("/api/models/"), 2);
}

TEST_F(HubTest, ADownloadThatWasCutOffContinuesWhereItEnded) {
  int cuts = 0;
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "model.safetensors") || cuts == 7) return std::nullopt;
    ++cuts;
    Reply reply = Part(request, files_["model.safetensors"]);
    reply.cut_after = 10'000;
    return reply;
  };
  const auto path = Fetch();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path + "/model.safetensors", 1 << 20), files_["model.safetensors"]);
  EXPECT_EQ(cuts, 7) << "each cut made progress, so that none counts as a failure";
  EXPECT_EQ(LastRange("model.safetensors"), "bytes=70000-");
}

TEST_F(HubTest, AnotherProcessContinuesAPartialFile) {
  const std::string& weights = files_["model.safetensors"];
  const fs::path blobs = fs::path(options_.cache) / "models--owner--tiny/blobs";
  fs::create_directories(blobs);
  std::ofstream(blobs / (Sha256Hex(weights) + ".incomplete"), std::ios::binary) << weights.substr(0, 1234);
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(LastRange("model.safetensors"), "bytes=1234-");
}

TEST_F(HubTest, AServerWithoutRangesSendsTheWholeFileAgain) {
  const std::string weights = files_["model.safetensors"];
  const fs::path blobs = fs::path(options_.cache) / "models--owner--tiny/blobs";
  fs::create_directories(blobs);
  std::ofstream(blobs / (Sha256Hex(weights) + ".incomplete"), std::ios::binary) << std::string(5000, 'x');
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "model.safetensors")) return std::nullopt;
    return Reply{.body = weights};
  };
  const auto path = Fetch();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path + "/model.safetensors", 1 << 20), weights);
}

TEST_F(HubTest, AFileThatDiffersFromItsDigestIsFetchedOnceMoreAndThenRefused) {
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "model.safetensors")) return std::nullopt;
    std::string wrong = files_["model.safetensors"];
    wrong.back() = 'x';
    return Part(request, wrong);
  };
  const auto path = Fetch();
  EXPECT_EQ(path.status().code(), absl::StatusCode::kDataLoss) << path.status();
  EXPECT_THAT(std::string(path.status().message()), HasSubstr("model.safetensors from 127.0.0.1"));
  EXPECT_EQ(Count("model.safetensors"), 2);
  EXPECT_FALSE(fs::exists(fs::path(options_.cache) / "models--owner--tiny/snapshots"));
  before_ = nullptr;
  EXPECT_TRUE(Fetch().ok()) << "the wrong bytes are gone";
}

TEST_F(HubTest, ASmallFileIsCheckedByItsGitId) {
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "vocab.txt")) return std::nullopt;
    return Reply{.body = std::string(files_["vocab.txt"].size(), 'x')};
  };
  EXPECT_EQ(Fetch().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HubTest, MoreBytesThanTheFileHasAreRefused) {
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "vocab.txt")) return std::nullopt;
    return Reply{.body = files_["vocab.txt"] + "and more"};
  };
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("more came than the file has"));
}

TEST_F(HubTest, StatusesOfTheHubHaveARemedy) {
  int status = 0;
  std::vector<std::string> headers;
  before_ = [&](const Request&) -> std::optional<Reply> {
    return Reply{.status = status, .headers = headers};
  };
  status = 404;
  EXPECT_EQ(Fetch().status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("has no model owner/tiny at revision main"));
  status = 401;
  EXPECT_EQ(Fetch().status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("or set HF_TOKEN"));
  headers = {"X-Error-Code: GatedRepo"};
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("accept its licence at "));
  status = 403;
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("accept its licence at "));
  options_.token = "hf_secret";
  status = 401;
  const std::string refused(Fetch().status().message());
  EXPECT_THAT(refused, HasSubstr("refuses the token"));
  EXPECT_THAT(refused, Not(HasSubstr("hf_secret")));
  status = 418;
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("HTTP status 418"));
}

TEST_F(HubTest, ABusyHubIsAskedAgainAfterTheTimeThatItNames) {
  int refusals = 2;
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "config.json") || refusals == 0) return std::nullopt;
    --refusals;
    return Reply{.status = 429, .headers = {"Retry-After: 1"}};
  };
  const absl::Time start = absl::Now();
  ASSERT_TRUE(Fetch().ok());
  EXPECT_GE(absl::Now() - start, absl::Seconds(2));
  EXPECT_THAT(steps_, ::testing::Contains(HasSubstr("asks to wait: retrying in 1 s")));
}

TEST_F(HubTest, AHubThatStaysBusyIsGivenUp) {
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "config.json")) return std::nullopt;
    return Reply{.status = 503};
  };
  const absl::Status status = Fetch().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("5 times in a row with HTTP status 503"));
}

TEST_F(HubTest, ATokenIsNeverSentToAnotherOrigin) {
  Server elsewhere([this](const Request& request) {
    EXPECT_EQ(request.headers.count("authorization"), 0u);
    EXPECT_THAT(request.path, HasSubstr("signature=secret"));
    return Part(request, files_["model.safetensors"]);
  });
  options_.token = "hf_secret";
  before_ = [&](const Request& request) -> std::optional<Reply> {
    EXPECT_EQ(request.headers.at("authorization"), "Bearer hf_secret");
    if (!IsFor(request, "model.safetensors")) return std::nullopt;
    return Reply{.status = 302,
                 .headers = {absl::StrCat("Location: ", elsewhere.url(), "/cdn?signature=secret")}};
  };
  const auto path = Fetch();
  ASSERT_TRUE(path.ok()) << path.status();
  for (const std::string& text : steps_) EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST_F(HubTest, RedirectsWithinTheHubKeepTheTokenAndEnd) {
  options_.token = "hf_secret";
  bool forever = false;
  before_ = [&](const Request& request) -> std::optional<Reply> {
    EXPECT_EQ(request.headers.count("authorization"), 1u);
    if (forever) return Reply{.status = 307, .headers = {"Location: " + request.path}};
    if (!absl::StartsWith(request.path, "/api/models/tiny/")) return std::nullopt;
    return Reply{.status = 307, .headers = {"Location: /api/models/owner/tiny/revision/main?blobs=true"}};
  };
  EXPECT_FALSE(FetchModel({"tiny", "main"}, options_).ok()) << "its files are asked for by the old name";
  EXPECT_GE(Count("/tiny/resolve/"), 1);
  forever = true;
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("redirects too often"));
}

TEST_F(HubTest, WithoutANetworkTheCopyInTheCacheIsUsed) {
  const auto first = Fetch();
  ASSERT_TRUE(first.ok());
  options_.endpoint = "http://127.0.0.1:1";
  const auto again = Fetch();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *first);
  EXPECT_THAT(notes_.back(), HasSubstr("the copy in "));
  options_.offline = true;
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(HubTest, WithoutANetworkAndACopyTheMessageSaysWhatToPlaceWhere) {
  options_.endpoint = "http://127.0.0.1:1";
  const absl::Status status = Fetch().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.json, model.safetensors and tokenizer files"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--asset 'hf:owner/tiny=FOLDER'"));
  options_.offline = true;
  EXPECT_THAT(std::string(Fetch().status().message()), HasSubstr("HF_HUB_OFFLINE is set"));
}

TEST_F(HubTest, ARepositoryThatIsNoModelIsRefusedBeforeAnythingIsDownloaded) {
  files_.erase("model.safetensors");
  const absl::Status status = Fetch().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("owner/tiny lacks "));
  EXPECT_EQ(Count("/resolve/"), 0);
}

TEST_F(HubTest, CancellingKeepsWhatHasArrived) {
  Cancellation cancellation;
  options_.cancellation = &cancellation;
  before_ = [&](const Request& request) -> std::optional<Reply> {
    if (!IsFor(request, "model.safetensors")) return std::nullopt;
    // Of the second request, for the rest.
    if (request.headers.count("range") > 0) cancellation.Cancel();
    Reply reply = Part(request, files_["model.safetensors"]);
    reply.cut_after = 20'000;
    return reply;
  };
  EXPECT_EQ(Fetch().status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(fs::exists(fs::path(options_.cache) / "models--owner--tiny/blobs" /
                         (Sha256Hex(files_["model.safetensors"]) + ".incomplete")));
}

TEST_F(HubTest, OptionsComeFromTheUsualVariables) {
  std::map<std::string, std::string> variables = {{"HOME", folder_.path()}};
  const auto lookup = [&](const char* name) { return variables[name]; };
  HubOptions options = *HubOptionsOf(lookup);
  EXPECT_EQ(options.endpoint, "https://huggingface.co");
  EXPECT_EQ(options.cache, folder_.path() + "/.cache/huggingface/hub");
  EXPECT_EQ(options.token, "");
  variables["HF_HOME"] = folder_ / "hf";
  fs::create_directories(folder_ / "hf");
  std::ofstream(folder_ / "hf/token") << "hf_file\n";
  variables["HF_ENDPOINT"] = "https://hub.example/";
  variables["HF_HUB_OFFLINE"] = "1";
  options = *HubOptionsOf(lookup);
  EXPECT_EQ(options.endpoint, "https://hub.example");
  EXPECT_EQ(options.cache, folder_ / "hf/hub");
  EXPECT_EQ(options.token, "hf_file");
  EXPECT_TRUE(options.offline);
  variables["HF_TOKEN"] = "hf_env\r\nX-Evil: 1";
  EXPECT_EQ(HubOptionsOf(lookup)->token, "") << "no header can be smuggled in";
  variables["HF_TOKEN"] = "hf_env";
  variables["HF_ENDPOINT"] = "http://hub.example";
  EXPECT_THAT(std::string(HubOptionsOf(lookup).status().message()), HasSubstr("unencrypted"));
  variables["HF_ENDPOINT"] = "file:///etc";
  EXPECT_FALSE(HubOptionsOf(lookup).ok());
}

TEST(HubListingTest, UnsafeAndUnknownFilesAreLeftOut) {
  const std::string digest(64, 'a');
  const auto listing = ParseListing(absl::StrCat(
      R"({"sha":")", kCommit, R"(","siblings":[{"rfilename":"../x","size":1,"blobId":")", kCommit,
      R"("},{"rfilename":"ok.txt","size":1,"blobId":")", kCommit, R"("},{"rfilename":"no-digest","size":1},)",
      R"({"rfilename":"negative","size":-1,"blobId":")", kCommit,
      R"("},7,{"rfilename":"big","size":1,"lfs":{"sha256":")", digest, R"(","size":99}}]})"));
  ASSERT_TRUE(listing.ok()) << listing.status();
  ASSERT_EQ(listing->files.size(), 2u);
  EXPECT_EQ(listing->files[0].path, "ok.txt");
  EXPECT_EQ(listing->files[1].size, 99);
  for (const char* bad : {"", "[]", "{}", R"({"sha":"x","siblings":[]})", "not json"}) {
    EXPECT_FALSE(ParseListing(bad).ok()) << bad;
  }
}

TEST(GitBlobTest, IdsAreThoseOfGit) {
  // printf 'hello\n' | git hash-object --stdin
  EXPECT_EQ(GitBlobId("hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(GitBlobId(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(HttpTest, OriginsOfUrls) {
  EXPECT_EQ(OriginOf("https://Hub.example/x?y"), "https://hub.example:443");
  EXPECT_EQ(OriginOf("https://hub.example:8443"), "https://hub.example:8443");
  EXPECT_EQ(OriginOf("ftp://hub.example"), "");
  EXPECT_EQ(OriginOf("nonsense"), "");
  EXPECT_EQ(OriginOf("https://hub.example@evil.example/"), "https://evil.example:443");
  EXPECT_EQ(HostOf("https://hub.example/x"), "hub.example");
  EXPECT_EQ(HostOf("http://127.0.0.1:8080"), "127.0.0.1:8080");
}

}  // namespace
}  // namespace quantlab::client
