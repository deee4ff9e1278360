// What TLS connections of this process may use.
#ifndef QUANTLAB_SECURITY_TLS_POLICY_H_
#define QUANTLAB_SECURITY_TLS_POLICY_H_

#include "absl/status/status.h"

namespace quantlab {

// TLS 1.3 and nothing older, for every context that OpenSSL makes in this process from now on, gRPC's too:
// gRPC 1.51 has no setting for it. Call it before the first connection; later calls do nothing.
// Errors: INTERNAL OpenSSL refuses.
absl::Status RequireTls13();

}  // namespace quantlab

#endif  // QUANTLAB_SECURITY_TLS_POLICY_H_
