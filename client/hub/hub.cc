#include "client/hub/hub.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/backoff.h"
#include "base/files.h"
#include "base/git_blob.h"
#include "base/messages/hub.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/hub/http.h"
#include "client/hub/hub_listing.h"
#include "model_folder/model_folder.h"
#include "platform/file_lock.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestModel = int64_t{64} << 30;
constexpr size_t kLargestListing = 16 << 20;
constexpr int64_t kLargestSmallFile = 256 << 20;  // of a file that is not in LFS, which is hashed as a whole
constexpr int64_t kSpareBytes = 256 << 20;
constexpr int kMostRedirects = 5;
// Requests in a row without any progress.
constexpr int kMostTries = 5;
constexpr absl::Duration kLongestPause = absl::Minutes(5);
constexpr absl::Duration kProgressEvery = absl::Milliseconds(100);

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool IsBusy(int status) {
  return status == 429 || (status >= 500 && status <= 504);
}

// Folders of one model in the cache.
struct CachePaths {
  CachePaths(const std::string& cache, const HubName& name)
      : folder(fs::path(cache) /
               absl::StrCat("models--", absl::StrReplaceAll(name.repository, {{"/", "--"}}))),
        lock(fs::path(cache) / ".locks" / folder.filename() / "quantlab.lock"),
        ref(folder / "refs" / name.revision) {}

  fs::path Blob(const HubFile& file) const { return folder / "blobs" / file.digest; }
  fs::path Snapshot(const std::string& commit) const { return folder / "snapshots" / commit; }

  const fs::path folder, lock, ref;
};

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

int64_t SizeOnDisk(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? -1 : static_cast<int64_t>(size);
}

absl::StatusOr<std::string> DigestOnDisk(const fs::path& path, const HubFile& file) {
  if (IsSha256Hex(file.digest)) return Sha256OfFile(path.string());
  QL_ASSIGN_OR_RETURN(const std::string content, ReadFile(path.string(), kLargestSmallFile));
  return GitBlobId(content);
}

// Replaces what is at `path` by a link to the blob; a copy where the file system has no links.
absl::Status LinkTo(const fs::path& path, const fs::path& blob) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return FileError(error.value(), "create", path.parent_path().string());
  const fs::path target = blob.lexically_relative(path.parent_path());
  // Another program may be reading it: a link that is right stays there all the time.
  if (fs::read_symlink(path, error) == target) return absl::OkStatus();
  fs::remove(path, error);
  fs::create_symlink(target, path, error);
  return error ? LinkOrCopy(blob.string(), path.string()) : absl::OkStatus();
}

class Hub {
 public:
  Hub(const HubName& name, const HubOptions& options)
      : name_(name),
        options_(options),
        paths_(options.cache, name),
        origin_(OriginOf(options.endpoint)),
        host_(HostOf(options.endpoint)),
        http_(options.cancellation) {}

  absl::StatusOr<std::string> Fetch() {
    if (IsGitId(name_.revision)) {
      // A commit never changes.
      if (absl::StatusOr<std::string> found = FindInCache(name_, options_); found.ok()) return found;
    }
    if (options_.offline) return FromCache(messages::kHubOffline());
    const absl::StatusOr<HubListing> listing = List();
    const absl::Status& failed = listing.status();
    if (absl::IsFailedPrecondition(failed) || absl::IsUnavailable(failed))
      return FromCache(MessageOf(failed));
    QL_RETURN_IF_ERROR(failed);
    QL_ASSIGN_OR_RETURN(const std::vector<HubFile> files, Select(*listing));
    return Download(listing->commit, files);
  }

 private:
  absl::StatusOr<std::string> FromCache(const Message& why) const {
    absl::StatusOr<std::string> found = FindInCache(name_, options_);
    if (found.ok()) {
      if (options_.note) options_.note(messages::kHubCopyUsed(name_.repository, why, *found));
      return found;
    }
    return MessageStatus(absl::StatusCode::kNotFound,
                         messages::kHubPlaceThere(name_.repository, why, options_.asked_as));
  }

  void Say(const Message& message) const {
    if (options_.progress) options_.progress(message);
  }

  // ---- requests ------------------------------------------------------------------------------------------

  absl::Status StatusOf(const HttpResponse& response) const {
    const bool gated = response.Header("x-error-code") == "GatedRepo";
    const std::string page = absl::StrCat(options_.endpoint, "/", name_.repository);
    switch (response.status) {
      case 200:
      case 206:
        return absl::OkStatus();
      case 401:
        if (!options_.token.empty()) {
          return MessageStatus(absl::StatusCode::kPermissionDenied,
                               messages::kHubTokenRefused(host_, name_.repository));
        }
        return MessageStatus(absl::StatusCode::kPermissionDenied,
                             gated ? messages::kHubLicence(name_.repository, page)
                                   : messages::kHubNeedsToken(host_, name_.repository));
      case 403:
        return MessageStatus(absl::StatusCode::kPermissionDenied,
                             messages::kHubLicence(name_.repository, page));
      case 404:
        return MessageStatus(absl::StatusCode::kNotFound,
                             messages::kHubNoModel(host_, name_.repository, name_.revision));
      default:
        return MessageStatus(absl::StatusCode::kInternal,
                             messages::kHubAnswer(host_, response.status, name_.repository));
    }
  }

  // The next URL. The token stays behind where it leads to another origin: see Once.
  absl::StatusOr<std::string> Redirected(const HttpResponse& response) const {
    const std::string origin = OriginOf(response.location);
    const bool downgraded = absl::StartsWith(origin_, "https:") && !absl::StartsWith(origin, "https:");
    if (origin.empty() || downgraded) {
      return MessageStatus(absl::StatusCode::kInternal,
                           messages::kHubUnsafeRedirect(host_, HostOf(response.location)));
    }
    return response.location;
  }

  // Follows redirects; `body` gets only the body of a success. `response` is set whatever comes.
  absl::Status Once(std::string url, int64_t from,
                    const std::function<absl::Status(const HttpResponse&)>& begin,
                    const std::function<absl::Status(absl::string_view)>& body, HttpResponse* response) {
    for (int hop = 0; hop <= kMostRedirects; ++hop) {
      bool wanted = false;
      HttpRequest request{.url = url, .headers = {}, .body = [&](absl::string_view part) {
                            return wanted ? body(part) : absl::OkStatus();
                          }};
      if (!options_.token.empty() && OriginOf(url) == origin_) {
        request.headers.push_back("Authorization: Bearer " + options_.token);
      }
      if (from > 0) request.headers.push_back(absl::StrCat("Range: bytes=", from, "-"));
      QL_ASSIGN_OR_RETURN(*response, http_.Get(request, [&](const HttpResponse& head) {
        wanted = head.status == 200 || head.status == 206;
        return wanted ? begin(head) : absl::OkStatus();
      }));
      if (!IsRedirect(response->status)) return absl::OkStatus();
      QL_ASSIGN_OR_RETURN(url, Redirected(*response));
    }
    return MessageStatus(absl::StatusCode::kInternal, messages::kHubRedirects(host_));
  }

  absl::Status Pause(absl::Duration pause) const {
    Say(messages::kHubWaiting(host_, absl::Ceil(pause, absl::Seconds(1))));
    if (options_.cancellation == nullptr) {
      absl::SleepFor(pause);
    } else if (options_.cancellation->WaitFor(pause)) {
      return absl::CancelledError("stopped during a download");
    }
    return absl::OkStatus();
  }

  // Repeats `attempt` while the hub is busy or connections end; `progressed` says whether the last one was
  // any use.
  absl::Status Repeat(const std::function<absl::Status(HttpResponse*)>& attempt,
                      const std::function<bool()>& progressed) {
    Backoff backoff(options_.first_pause, kLongestPause);
    for (int tries = 1;; ++tries) {
      HttpResponse response;
      absl::Status status = attempt(&response);
      if (status.ok() && !IsBusy(response.status)) return StatusOf(response);
      // Without a connection at all, one more try; a hub that answers gets more time.
      const bool away = absl::IsFailedPrecondition(status);
      if (!status.ok() && !away && !absl::IsUnavailable(status)) return status;
      if (progressed()) {
        tries = 1;
        backoff.Reset();
      }
      if (tries >= (away ? 2 : kMostTries)) {
        return status.ok() ? MessageStatus(absl::StatusCode::kUnavailable,
                                           messages::kHubBusy(host_, response.status, tries))
                           : status;
      }
      int64_t asked = 0;
      if (!absl::SimpleAtoi(response.Header("retry-after"), &asked)) asked = 0;
      const absl::Duration requested = absl::Seconds(std::clamp<int64_t>(asked, 0, 300));
      QL_RETURN_IF_ERROR(Pause(std::max(backoff.Next(), requested)));
    }
  }

  absl::StatusOr<HubListing> List() {
    const std::string url = absl::StrCat(options_.endpoint, "/api/models/", name_.repository, "/revision/",
                                         absl::StrReplaceAll(name_.revision, {{"/", "%2F"}}), "?blobs=true");
    Say(messages::kHubAsking(host_, name_.repository));
    std::string body;
    const auto keep = [&](absl::string_view part) -> absl::Status {
      body.append(part.data(), part.size());
      if (body.size() <= kLargestListing) return absl::OkStatus();
      return MessageStatus(absl::StatusCode::kInternal,
                           messages::kHubAnswerUnreadable(host_, "the listing is too long"));
    };
    const auto attempt = [&](HttpResponse* response) {
      body.clear();
      return Once(
          url, 0, [](const HttpResponse&) { return absl::OkStatus(); }, keep, response);
    };
    QL_RETURN_IF_ERROR(Repeat(attempt, [] { return false; }));
    absl::StatusOr<HubListing> listing = ParseListing(body);
    if (listing.ok()) return listing;
    return MessageStatus(absl::StatusCode::kInternal,
                         messages::kHubAnswerUnreadable(host_, listing.status().message()));
  }

  // ---- files ---------------------------------------------------------------------------------------------

  absl::StatusOr<std::vector<HubFile>> Select(const HubListing& listing) const {
    std::vector<std::string> names;
    for (const HubFile& file : listing.files) {
      // Folders within a repository hold other formats of the model.
      if (!absl::StrContains(file.path, '/')) names.push_back(file.path);
    }
    const std::vector<std::string> wanted = ModelFiles(names);
    if (const std::string missing = MissingFromModel(wanted); !missing.empty()) {
      return MessageStatus(absl::StatusCode::kInvalidArgument,
                           messages::kHubUnsuitable(name_.repository, missing));
    }
    std::vector<HubFile> files;
    int64_t total = 0;
    for (const HubFile& file : listing.files) {
      if (std::find(wanted.begin(), wanted.end(), file.path) == wanted.end()) continue;
      if (file.size > kLargestModel - total) {
        return MessageStatus(absl::StatusCode::kResourceExhausted,
                             messages::kHubTooLarge(name_.repository, file.size, kLargestModel));
      }
      total += file.size;
      files.push_back(file);
    }
    return files;
  }

  absl::StatusOr<std::string> Download(const std::string& commit, const std::vector<HubFile>& files) {
    QL_RETURN_IF_ERROR(MakeDirectories((paths_.folder / "blobs").string()));
    QL_RETURN_IF_ERROR(MakeDirectories(paths_.lock.parent_path().string()));
    const auto stop = [this] {
      return options_.cancellation != nullptr && options_.cancellation->cancelled();
    };
    const auto waiting = [this] { Say(messages::kHubLocked(name_.repository)); };
    QL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock,
                        FileLock::Acquire(paths_.lock.string(), waiting, stop));
    QL_RETURN_IF_ERROR(CheckSpace(files));
    const bool any = std::any_of(files.begin(), files.end(), [this](const HubFile& file) {
      return SizeOnDisk(paths_.Blob(file)) != file.size;
    });
    for (const HubFile& file : files) QL_RETURN_IF_ERROR(FetchFile(commit, file));
    // Only a complete model appears as a snapshot.
    const fs::path snapshot = paths_.Snapshot(commit);
    for (const HubFile& file : files) QL_RETURN_IF_ERROR(LinkTo(snapshot / file.path, paths_.Blob(file)));
    if (!IsGitId(name_.revision)) {
      QL_RETURN_IF_ERROR(MakeDirectories(paths_.ref.parent_path().string()));
      QL_RETURN_IF_ERROR(WriteFileAtomically(paths_.ref.string(), commit));
    }
    if (any && options_.note) {
      options_.note(messages::kHubFetched(name_.repository, commit.substr(0, 12), snapshot.string()));
    }
    return snapshot.string();
  }

  absl::Status CheckSpace(const std::vector<HubFile>& files) {
    total_ = done_ = 0;
    int64_t present = 0;
    for (const HubFile& file : files) {
      if (SizeOnDisk(paths_.Blob(file)) == file.size) continue;
      total_ += file.size;
      present += std::clamp<int64_t>(SizeOnDisk(Partial(file)), 0, file.size);
    }
    const absl::StatusOr<int64_t> free = FreeBytes(paths_.folder.string());
    if (!free.ok() || total_ == present || total_ - present + kSpareBytes <= *free) return absl::OkStatus();
    return MessageStatus(absl::StatusCode::kResourceExhausted,
                         messages::kHubNoSpace(options_.cache, total_ - present, *free));
  }

  fs::path Partial(const HubFile& file) const { return paths_.Blob(file).string() + ".incomplete"; }

  absl::Status FetchFile(const std::string& commit, const HubFile& file) {
    if (SizeOnDisk(paths_.Blob(file)) == file.size) return absl::OkStatus();
    const std::string url = absl::StrCat(options_.endpoint, "/", name_.repository, "/resolve/", commit, "/",
                                         UrlEscaped(file.path));
    for (int round = 0; round < 2; ++round) {
      QL_RETURN_IF_ERROR(Complete(url, file));
      Say(messages::kHubChecking(file.path));
      QL_ASSIGN_OR_RETURN(const std::string digest, DigestOnDisk(Partial(file), file));
      std::error_code error;
      if (digest == file.digest) {
        fs::rename(Partial(file), paths_.Blob(file), error);
        done_ += file.size;
        return error ? FileError(error.value(), "rename", Partial(file).string()) : absl::OkStatus();
      }
      fs::remove(Partial(file), error);
    }
    return MessageStatus(absl::StatusCode::kDataLoss, messages::kHubDigestWrong(file.path, host_));
  }

  // Downloads what is missing of the partial file.
  absl::Status Complete(const std::string& url, const HubFile& file) {
    const fs::path partial = Partial(file);
    int64_t before = std::max<int64_t>(SizeOnDisk(partial), 0);
    const auto attempt = [&](HttpResponse* response) -> absl::Status {
      before = std::max<int64_t>(SizeOnDisk(partial), 0);
      if (before > file.size || (before == file.size && file.size == 0)) before = 0;
      if (before == file.size && file.size > 0) {
        response->status = 200;
        return absl::OkStatus();
      }
      return FetchPart(url, file, before, response);
    };
    const auto progressed = [&] { return SizeOnDisk(partial) > before; };
    return Repeat(attempt, progressed);
  }

  // What is missing of a file, while it arrives.
  struct Part {
    const HubFile& file;
    const int64_t from;  // bytes that are there already
    int64_t size;        // bytes of the partial file
    File out;
  };

  absl::Status BeginPart(const HttpResponse& head, Part& part) {
    // The server may answer with the whole file.
    if (head.status == 200) part.size = 0;
    const std::string range = absl::StrCat("bytes ", part.from, "-");
    if (head.status == 206 && !absl::StartsWith(head.Header("content-range"), range)) {
      return MessageStatus(absl::StatusCode::kInternal,
                           messages::kHubAnswerUnreadable(host_, "another part of the file came"));
    }
    const std::string path = Partial(part.file).string();
    part.out.reset(std::fopen(path.c_str(), part.size == 0 ? "wb" : "ab"));
    return part.out != nullptr ? absl::OkStatus() : FileError(errno, "write", path);
  }

  absl::Status AddToPart(absl::string_view bytes, Part& part) {
    const auto count = static_cast<int64_t>(bytes.size());
    if (count > part.file.size - part.size) {
      return MessageStatus(absl::StatusCode::kInternal,
                           messages::kHubAnswerUnreadable(host_, "more came than the file has"));
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), part.out.get()) != bytes.size()) {
      return FileError(errno, "write", Partial(part.file).string());
    }
    part.size += count;
    if (absl::Now() - shown_ >= kProgressEvery) {
      shown_ = absl::Now();
      Say(messages::kHubFetching(name_.repository, part.file.path, done_ + part.size, total_));
    }
    return absl::OkStatus();
  }

  absl::Status FetchPart(const std::string& url, const HubFile& file, int64_t from, HttpResponse* response) {
    Part part{.file = file, .from = from, .size = from, .out = nullptr};
    const absl::Status status = Once(
        url, from, [&](const HttpResponse& head) { return BeginPart(head, part); },
        [&](absl::string_view bytes) { return AddToPart(bytes, part); }, response);
    if (part.out != nullptr && std::fflush(part.out.get()) != 0) {
      return FileError(errno, "write", Partial(file).string());
    }
    if (status.ok() && response->status == 416) {
      // What is there is no beginning of the file.
      std::error_code error;
      fs::remove(Partial(file), error);
      return absl::UnavailableError("the hub refused the range");
    }
    const bool whole = response->status == 200 || response->status == 206;
    if (status.ok() && whole && part.size < file.size) {
      return MessageStatus(absl::StatusCode::kUnavailable,
                           messages::kHubNotReached(host_, "the file ended early"));
    }
    return status;
  }

  const HubName& name_;
  const HubOptions& options_;
  const CachePaths paths_;
  const std::string origin_, host_;
  Http http_;
  int64_t total_ = 0;  // bytes of the files that were missing
  int64_t done_ = 0;   // and of those that have been completed since
  absl::Time shown_;
};

bool IsTrue(const std::string& text) {
  const std::string word = absl::AsciiStrToUpper(text);
  return word == "1" || word == "TRUE" || word == "YES" || word == "ON";
}

absl::StatusOr<std::string> HubHome(const VariableLookup& environment) {
  const std::string home = environment("HF_HOME");
  if (!home.empty()) return ExpandHome(home, environment);
  QL_ASSIGN_OR_RETURN(const std::string cache, XdgFolder(environment, "XDG_CACHE_HOME", ".cache"));
  return cache + "/huggingface";
}

std::string TokenOf(const VariableLookup& environment, const std::string& home) {
  std::string token = environment("HF_TOKEN");
  if (token.empty()) {
    const std::string named = environment("HF_TOKEN_PATH");
    token = ReadFile(named.empty() ? home + "/token" : named, 4096).value_or("");
  }
  token = std::string(absl::StripAsciiWhitespace(token));
  // Nothing else may become part of a header.
  const bool plain = std::all_of(token.begin(), token.end(), [](char c) { return absl::ascii_isgraph(c); });
  return plain ? token : "";
}

bool IsLoopback(const std::string& endpoint) {
  const std::string host = HostOf(endpoint);
  for (const char* local : {"localhost", "127.0.0.1", "[::1]"}) {
    if (host == local || absl::StartsWith(host, absl::StrCat(local, ":"))) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<HubOptions> HubOptionsOf(const VariableLookup& environment) {
  HubOptions options;
  const std::string endpoint = environment("HF_ENDPOINT");
  options.endpoint = endpoint.empty() ? "https://huggingface.co" : endpoint;
  while (absl::EndsWith(options.endpoint, "/")) options.endpoint.pop_back();
  const std::string origin = OriginOf(options.endpoint);
  if (origin.empty()) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kHubEndpointWrong(options.endpoint));
  }
  QL_ASSIGN_OR_RETURN(const std::string home, HubHome(environment));
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (options.cache.empty()) options.cache = environment(name);
  }
  if (options.cache.empty()) options.cache = home + "/hub";
  QL_ASSIGN_OR_RETURN(options.cache, ExpandHome(options.cache, environment));
  options.token = TokenOf(environment, home);
  options.offline = IsTrue(environment("HF_HUB_OFFLINE"));
  if (!options.token.empty() && absl::StartsWith(origin, "http:") && !IsLoopback(options.endpoint)) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kHubTokenInPlainText(options.endpoint));
  }
  return options;
}

absl::StatusOr<std::string> FindInCache(const HubName& name, const HubOptions& options) {
  const CachePaths paths(options.cache, name);
  std::string commit = name.revision;
  if (!IsGitId(commit)) {
    QL_ASSIGN_OR_RETURN(commit, ReadFile(paths.ref.string(), 1024));
    commit = std::string(absl::StripAsciiWhitespace(commit));
  }
  if (!IsGitId(commit)) return absl::NotFoundError("the cache names no commit");
  const std::string snapshot = paths.Snapshot(commit).string();
  if (absl::Status usable = CheckModelFolder(snapshot); !usable.ok()) {
    return absl::NotFoundError(usable.message());
  }
  return snapshot;
}

absl::StatusOr<std::string> FetchModel(const HubName& name, const HubOptions& options) {
  return Hub(name, options).Fetch();
}

}  // namespace quantlab::client
