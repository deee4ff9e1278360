#include "monitoring/http_endpoint.h"

#include <algorithm>
#include <civetweb.h>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/mutex.h"

namespace quantlab {
namespace {

std::string Header(const mg_connection* connection, const char* name) {
  const char* value = mg_get_header(connection, name);
  return value == nullptr ? "" : value;
}

void Send(mg_connection* connection, const HttpResponse& response, bool with_body) {
  const std::string head = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", mg_get_response_code_text(nullptr, response.status),
      "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
      "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

}  // namespace

struct HttpEndpoint::State {
  Address address;
  Handler handler;
  mg_context* context = nullptr;
  Mutex mutex;
  std::string error ABSL_GUARDED_BY(mutex);  // the last message of civetweb

  ~State() {
    if (context != nullptr) mg_stop(context);
  }

  static int OnRequest(mg_connection* connection) {
    const mg_request_info* info = mg_get_request_info(connection);
    const auto* state = static_cast<const State*>(info->user_data);
    const std::string method = info->request_method == nullptr ? "" : info->request_method;
    if (method != "GET" && method != "HEAD") {
      Send(connection, {405, "text/plain; charset=utf-8", "only GET and HEAD are answered here\n"}, true);
      return 1;
    }
    const HttpRequest request{info->local_uri == nullptr ? "" : info->local_uri,
                              info->query_string == nullptr ? "" : info->query_string,
                              Header(connection, "Host"), Header(connection, "Authorization")};
    // Exceptions must not reach civetweb, which is C.
    try {
      Send(connection, state->handler(request), method == "GET");
    } catch (const std::exception& e) {
      Send(connection, {500, "text/plain; charset=utf-8", absl::StrCat("error: ", e.what(), "\n")}, true);
    }
    return 1;  // the request is answered; nothing is looked up in a folder
  }

  static int OnMessage(const mg_connection* connection, const char* message) {
    const mg_context* context = mg_get_context(connection);
    auto* state = context == nullptr ? nullptr : static_cast<State*>(mg_get_user_data(context));
    if (state == nullptr) return 1;
    MutexLock lock(state->mutex);
    state->error = message;
    return 1;  // not written anywhere else
  }
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpEndpoint::~HttpEndpoint() = default;

const Address& HttpEndpoint::address() const {
  return state_->address;
}

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Listen(const Address& address, Handler handler) {
  auto state = std::make_unique<State>();
  state->address = address;
  state->handler = std::move(handler);
  mg_callbacks callbacks = {};
  callbacks.begin_request = State::OnRequest;
  callbacks.log_message = State::OnMessage;
  const std::string listen = address.ToString();
  // A connection without a whole request occupies one of the threads until its time is over.
  const char* options[] = {"listening_ports",    listen.c_str(), "num_threads", "16",
                           "request_timeout_ms", "2000",         nullptr};
  mg_context* context = mg_start(&callbacks, state.get(), options);
  if (context == nullptr) {
    MutexLock lock(state->mutex);
    return absl::UnavailableError(absl::StrCat("cannot listen on ", listen,
                                               state->error.empty() ? "" : absl::StrCat(": ", state->error)));
  }
  state->context = context;
  mg_server_port port = {};
  if (mg_get_server_ports(context, 1, &port) == 1) state->address.port = port.port;
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(state)));
}

std::vector<std::pair<std::string, std::string>> ParseHttpQuery(const std::string& query) {
  const auto decode = [](absl::string_view text) {
    std::string decoded(text.size() + 1, '\0');
    const int size = mg_url_decode(text.data(), static_cast<int>(text.size()), decoded.data(),
                                   static_cast<int>(decoded.size()), /*is_form_url_encoded=*/1);
    decoded.resize(static_cast<size_t>(std::max(size, 0)));
    return decoded;
  };
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    parameters.emplace_back(decode(pair.first), decode(pair.second));
  }
  return parameters;
}

bool IsLoopbackHost(const std::string& host) {
  const absl::StatusOr<Address> with_port = ParseAddress(host);
  if (with_port.ok()) return !with_port->is_socket() && with_port->is_local();
  const absl::StatusOr<Address> without = ParseAddress(absl::StrCat(host, ":80"));
  return without.ok() && !without->is_socket() && without->is_local();
}

}  // namespace quantlab
