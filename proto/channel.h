// Connections to a coordinator, for all programs of the project.
#ifndef QUANTLAB_PROTO_CHANNEL_H_
#define QUANTLAB_PROTO_CHANNEL_H_

#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "absl/time/time.h"
#include "platform/address.h"

namespace quantlab {

// Contents, not paths (channel_security.h reads them from files); empty: none.
struct ChannelSecurity {
  // Certificate (PEM) of the authority that the coordinator's certificate must come from. Without one the
  // connection is not encrypted, which is allowed for local addresses only.
  std::string authority = {};
  // Sent with every call.
  std::string token = {};
  std::string certificate = {}, key = {};  // PEM, presented to the coordinator
};

struct ChannelOptions {
  int max_message_bytes = 64 << 20;
  // Pings on an idle connection, to notice a peer that vanished; infinite: none.
  absl::Duration keepalive = absl::InfiniteDuration();
  ChannelSecurity security = {};
};

// Does not connect yet. Reconnects at most a second apart: callers have their own back-off, and gRPC's grows
// to two minutes. TLS is 1.3 or nothing. Proxy variables (http_proxy, …) are ignored. A channel to an address
// beyond this machine without an authority fails every call with INVALID_ARGUMENT.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address, const ChannelOptions& options);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_CHANNEL_H_
