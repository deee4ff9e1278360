#include "client/hub/http.h"

#include <curl/curl.h>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/messages/hub.h"
#include "base/messages/message_catalogue.h"

namespace quantlab::client {
namespace {

constexpr long kConnectSeconds = 20;
// A transfer that moves less than a byte a second for so long has stalled.
constexpr long kStallSeconds = 60;
constexpr size_t kLargestHead = 64 << 10;

// One transfer, as curl's callbacks see it.
struct Transfer {
  CURL* curl = nullptr;
  const HttpRequest* request = nullptr;
  const std::function<absl::Status(const HttpResponse&)>* on_head = nullptr;
  const Cancellation* cancellation = nullptr;
  HttpResponse response;
  size_t head_bytes = 0;
  bool head_seen = false;
  absl::Status status;  // why a callback ended the transfer
};

absl::Status SeeHead(Transfer& transfer) {
  if (std::exchange(transfer.head_seen, true)) return absl::OkStatus();
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  char* location = nullptr;
  curl_easy_getinfo(transfer.curl, CURLINFO_REDIRECT_URL, &location);
  if (location != nullptr) transfer.response.location = location;
  return *transfer.on_head ? (*transfer.on_head)(transfer.response) : absl::OkStatus();
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const absl::string_view line(data, size * count);
  transfer.head_bytes += line.size();
  if (transfer.head_bytes > kLargestHead) return 0;
  // A proxy's answer, or an interim one, comes before the response itself.
  if (absl::StartsWith(line, "HTTP/")) transfer.response.headers.clear();
  if (const size_t colon = line.find(':'); colon != absl::string_view::npos) {
    transfer.response.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return line.size();
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.status = SeeHead(transfer);
  if (transfer.status.ok() && transfer.request->body) {
    transfer.status = transfer.request->body(absl::string_view(data, size * count));
  }
  return transfer.status.ok() ? size * count : 0;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Transfer& transfer = *static_cast<Transfer*>(user);
  return transfer.cancellation != nullptr && transfer.cancellation->cancelled() ? 1 : 0;
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

void SetUp(CURL* curl, Transfer& transfer, curl_slist* headers) {
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, transfer.request->url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "quantlab");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
}

absl::StatusCode CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::StatusCode::kInvalidArgument;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

absl::Status TransferError(const Transfer& transfer, CURLcode code) {
  if (!transfer.status.ok()) return transfer.status;
  if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError("stopped during a download");
  return MessageStatus(CodeOf(code),
                       messages::kHubNotReached(HostOf(transfer.request->url), curl_easy_strerror(code)));
}

}  // namespace

std::string HttpResponse::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Http::Http(const Cancellation* cancellation)
    : cancellation_(cancellation), curl_([] {
        static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
        return initialized == CURLE_OK ? curl_easy_init() : nullptr;
      }()) {}

Http::~Http() {
  curl_easy_cleanup(curl_);
}

absl::StatusOr<HttpResponse> Http::Get(const HttpRequest& request,
                                       const std::function<absl::Status(const HttpResponse&)>& on_head) {
  if (curl_ == nullptr) return absl::InternalError("libcurl cannot be initialized");
  Transfer transfer{.curl = curl_, .request = &request, .on_head = &on_head, .cancellation = cancellation_};
  std::unique_ptr<curl_slist, FreeList> headers;
  for (const std::string& header : request.headers) {
    headers.reset(curl_slist_append(headers.release(), header.c_str()));
  }
  SetUp(curl_, transfer, headers.get());
  const CURLcode code = curl_easy_perform(curl_);
  if (code != CURLE_OK) return TransferError(transfer, code);
  // A response without a body.
  if (absl::Status seen = SeeHead(transfer); !seen.ok()) return seen;
  return std::move(transfer.response);
}

std::string OriginOf(absl::string_view url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  const std::string text(url);
  if (curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return "";
  std::string origin;
  for (const auto& [part, before] : {std::pair<CURLUPart, const char*>{CURLUPART_SCHEME, ""},
                                     {CURLUPART_HOST, "://"},
                                     {CURLUPART_PORT, ":"}}) {
    char* value = nullptr;
    const unsigned int flags = part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0;
    if (curl_url_get(parsed.get(), part, &value, flags) != CURLUE_OK) return "";
    absl::StrAppend(&origin, before, absl::AsciiStrToLower(value));
    curl_free(value);
  }
  return absl::StartsWith(origin, "http://") || absl::StartsWith(origin, "https://") ? origin : "";
}

std::string UrlEscaped(absl::string_view name) {
  const std::unique_ptr<char, decltype(&curl_free)> escaped(
      curl_easy_escape(nullptr, name.data(), static_cast<int>(name.size())), curl_free);
  return escaped == nullptr ? "" : escaped.get();
}

std::string HostOf(absl::string_view url) {
  const std::string origin = OriginOf(url);
  const size_t host = origin.find("://");
  if (host == std::string::npos) return "?";
  std::string name = origin.substr(host + 3);
  for (const char* port : {":443", ":80"}) name = std::string(absl::StripSuffix(name, port));
  return name;
}

}  // namespace quantlab::client
