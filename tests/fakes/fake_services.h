// The fake coordinator's services through gRPC.
#ifndef QUANTLAB_TESTS_FAKES_FAKE_SERVICES_H_
#define QUANTLAB_TESTS_FAKES_FAKE_SERVICES_H_

#include <memory>
#include <string>

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include "tests/fakes/fake_coordinator.h"

namespace quantlab::testing {

class FakeServices {
 public:
  // Serves until it is destroyed. Borrows `fake`. `address` is a gRPC target.
  FakeServices(FakeCoordinator* fake, const std::string& address);
  ~FakeServices();

 private:
  const std::unique_ptr<grpc::Service> experiments_, artifacts_, workers_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace quantlab::testing

#endif  // QUANTLAB_TESTS_FAKES_FAKE_SERVICES_H_
