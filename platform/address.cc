#include "platform/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr char kForms[] =
    "unix:/PATH or HOST:PORT, as in unix:/run/quantlab/coordinator.sock or 127.0.0.1:7420";

absl::Status Wrong(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("address '", absl::CHexEscape(text.substr(0, 200)), "': ", why));
}

absl::StatusOr<Address> ParseSocket(absl::string_view text, absl::string_view path) {
  if (absl::StartsWith(path, "///")) path.remove_prefix(2);
  if (path.empty() || path[0] != '/' || absl::StartsWith(path, "//")) {
    return Wrong(text, "the path must be absolute, as in unix:/run/quantlab/coordinator.sock");
  }
  if (path.size() > kMaxSocketPathBytes) {
    return Wrong(text, absl::StrCat("the path has ", path.size(), " bytes, and ", kMaxSocketPathBytes,
                                    " are allowed; use a shorter folder"));
  }
  for (const char c : path) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)))
      return Wrong(text, "the path must not have control characters");
  }
  Address address;
  address.socket = std::string(path);
  return address;
}

bool IsIpv6(const std::string& host) {
  in6_addr parsed;
  return inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

// A name or a numeric address, as it may stand before ":PORT".
bool IsHost(absl::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

}  // namespace

bool Address::is_local() const {
  if (is_socket() || absl::EqualsIgnoreCase(host, "localhost")) return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

std::string Address::ToString() const {
  if (is_socket()) return absl::StrCat("unix:", socket);
  return absl::StrCat(IsIpv6(host) ? absl::StrCat("[", host, "]") : host, ":", port);
}

std::string Address::ToGrpcTarget() const {
  if (!is_socket()) return ToString();
  std::string target = "unix:";
  for (const char c : socket) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("/._-~", c)) {
      target.push_back(c);
    } else {
      absl::StrAppendFormat(&target, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return target;
}

absl::StatusOr<Address> ParseAddress(absl::string_view text, bool port_may_be_zero) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) return ParseSocket(text, rest);
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos)
    return Wrong(text, absl::StrCat("it names no port; allowed: ", kForms));
  absl::string_view host = text.substr(0, colon);
  Address address;
  if (absl::ConsumePrefix(&host, "[")) {
    address.host = std::string(host.substr(0, host.size() - 1));
    if (!absl::EndsWith(host, "]") || !IsIpv6(address.host)) {
      return Wrong(text, "what stands in brackets must be an IPv6 address, as in [::1]:7420");
    }
  } else {
    address.host = std::string(host);
    if (!IsHost(host)) return Wrong(text, absl::StrCat("it names no host; allowed: ", kForms));
  }
  const absl::string_view port = text.substr(colon + 1);
  const bool digits = !port.empty() && port.find_first_not_of("0123456789") == absl::string_view::npos;
  if (!digits || !absl::SimpleAtoi(port, &address.port) || address.port > 65535 ||
      (address.port == 0 && !port_may_be_zero)) {
    return Wrong(text, "the port must be a number from 1 to 65535");
  }
  return address;
}

absl::StatusOr<Address> ParseLocalAddress(absl::string_view text, bool port_may_be_zero) {
  QL_ASSIGN_OR_RETURN(Address address, ParseAddress(text, port_may_be_zero));
  if (address.is_local()) return address;
  return absl::FailedPreconditionError(absl::StrCat(
      "address '", text,
      "' is beyond this machine, where only encrypted connections are allowed: a coordinator needs --tls-cert "
      "and --tls-key (quantctl admin init-ca makes both). Without them only unix:/PATH, localhost, 127.x.x.x "
      "and [::1] are allowed"));
}

}  // namespace quantlab
