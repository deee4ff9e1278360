// Connections to a coordinator, for all programs of the project.
#ifndef QUANTLAB_PROTO_CHANNEL_H_
#define QUANTLAB_PROTO_CHANNEL_H_

#include <memory>

#include <grpcpp/channel.h>

#include "absl/time/time.h"
#include "platform/address.h"

namespace quantlab {

struct ChannelOptions {
  int max_message_bytes = 64 << 20;
  // Pings on an idle connection, to notice a peer that vanished; infinite: none.
  absl::Duration keepalive = absl::InfiniteDuration();
};

// Does not connect yet. Reconnects at most a second apart: callers have their own back-off, and gRPC's grows
// to two minutes. Proxy variables (http_proxy, …) are ignored for local addresses: a proxy cannot reach this
// machine's loopback.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address, const ChannelOptions& options);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_CHANNEL_H_
