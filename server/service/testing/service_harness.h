// The services over a real core and a temporary repository, called through gRPC inside the process,
// with a clock that stands still. For unit tests of the services.
#ifndef QUANTLAB_SERVER_SERVICE_TESTING_SERVICE_HARNESS_H_
#define QUANTLAB_SERVER_SERVICE_TESTING_SERVICE_HARNESS_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "catalog/catalog.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/admin.grpc.pb.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/storage.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/service/admin_service.h"
#include "server/service/artifact_service.h"
#include "server/service/experiment_service.h"
#include "server/service/garbage_collector.h"
#include "server/service/storage_service.h"
#include "server/service/worker_service.h"
#include "storage/storage.h"

namespace quantlab {

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    storage_ = *OpenStorage(folder_.path());
    LogOptions log;
    log.level = LogLevel::kError;
    log.file = folder_ / "log";
    log_ = *Log::Open(log);
    coordinator_ = std::make_unique<Coordinator>(
        CoordinatorParts{&storage_->states(), &storage_->events(), &storage_->artifacts(), &clock_,
                         &observer_, &storage_->worker_modes(), &storage_->groups()},
        CoordinatorOptions{});
    ASSERT_TRUE(coordinator_->Recover().ok());
    pool_ = std::make_unique<WorkPool>(2, 100);
    ASSERT_TRUE(identities_.emplace(&storage_->identities(), &clock_).Load().ok());
    limits_.emplace(limit_options_, &clock_);
    LogOptions audit;
    audit.file = folder_ / "audit";
    audit_.emplace(*Log::Open(audit), &clock_);
    access_.emplace(require_auth_, &*identities_, &*limits_, &*audit_, &clock_);
    const RpcEnvironment rpc{log_.get(), &metrics_, pool_.get(), &clock_, &*access_};
    const std::string catalog = QUANTLAB_SOURCE_DIR "/configs/catalog.yaml";
    experiment_service_ = MakeExperimentService(ExperimentServiceParts{
        rpc, coordinator_.get(), &storage_->states(), &storage_->events(), &storage_->artifacts(),
        *Catalog::Parse(catalog, *ReadFile(catalog, 1 << 20)), "1.2.3"});
    worker_service_ = MakeWorkerService(rpc, coordinator_.get());
    artifact_service_ = MakeArtifactService(rpc, &storage_->artifacts(), coordinator_.get());
    admin_service_ = MakeAdminService(rpc, coordinator_.get(), &remote_);
    remote_.Set({"host:1", std::string(64, 'a')});
    garbage_.emplace(coordinator_.get(), &storage_->deletion(), &storage_->artifacts(), &clock_);
    storage_service_ = MakeStorageService(rpc, &storage_->states(), &*garbage_,
                                          StorageFolder{folder_.path(), [this](const std::string& to) {
                                                          return BackUpStorage(folder_.path(), to);
                                                        }});
    grpc::ServerBuilder builder;
    builder.RegisterService(experiment_service_.get());
    builder.RegisterService(worker_service_.get());
    builder.RegisterService(artifact_service_.get());
    builder.RegisterService(admin_service_.get());
    builder.RegisterService(storage_service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    const auto channel = server_->InProcessChannel({});
    experiments_ = v1::ExperimentService::NewStub(channel);
    workers_ = v1::WorkerService::NewStub(channel);
    artifacts_ = v1::ArtifactService::NewStub(channel);
    admin_ = v1::AdminService::NewStub(channel);
    stored_ = v1::StorageService::NewStub(channel);
    channel_ = channel;
  }

  void TearDown() override {
    coordinator_->StopWaiting();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    pool_.reset();
  }

  // Calls `(stub.*method)(context, request, response)` with a deadline.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    if (!token_.empty()) context.AddMetadata("authorization", "Bearer " + token_);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return FromGrpcStatus((stub.*method)(&context, request, response));
  }

  static v1::SubmitExperimentRequest NewRequest(const std::string& request_id) {
    v1::SubmitExperimentRequest request;
    request.set_request_id(request_id);
    request.set_submitter("someone");
    v1::SourceFile* file = request.add_files();
    file->set_name("try.yaml");
    file->set_content(
        "experiments: {baseline: {model: minilm, dataset: imdb}, dynamic_quantization: {}}\n"
        "evaluation: {metrics: [accuracy]}\n");
    return request;
  }

  absl::Status Submit(const v1::SubmitExperimentRequest& request, v1::SubmitExperimentResponse* response) {
    return Call(*experiments_, &v1::ExperimentService::Stub::SubmitExperiment, request, response);
  }

  // The id of a new experiment: baseline, dynamic_quantization.
  std::string Submitted(const std::string& request_id = "r") {
    v1::SubmitExperimentResponse response;
    const absl::Status status = Submit(NewRequest(request_id), &response);
    EXPECT_TRUE(status.ok()) << status;
    return response.experiment().id();
  }

  static v1::SyncRequest IdleWorker(const std::string& id) {
    v1::SyncRequest request;
    v1::WorkerInfo* worker = request.mutable_worker();
    worker->set_id(id);
    worker->set_hostname("host");
    worker->add_devices("cpu");
    v1::MethodVersion* method = worker->add_methods();
    method->set_name("dynamic_quantization");
    method->set_version(1);
    request.set_wants_run(true);
    return request;
  }

  absl::Status Sync(const v1::SyncRequest& request, v1::SyncResponse* response) {
    return Call(*workers_, &v1::WorkerService::Stub::Sync, request, response);
  }

  // The attempt that the worker gets.
  v1::AttemptRef Taken(const std::string& worker) {
    v1::SyncResponse response;
    const absl::Status status = Sync(IdleWorker(worker), &response);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(response.has_assignment());
    return response.assignment().attempt();
  }

  FakeClock clock_;
  TempFolder folder_;
  CoreObserver observer_;
  Metrics metrics_{"1.2.3"};
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<WorkPool> pool_;
  // Set them before SetUp of this class.
  bool require_auth_ = false;
  CallerLimitOptions limit_options_;
  std::string token_;  // of the calls that follow; empty: none
  std::optional<IdentityDirectory> identities_;
  std::optional<CallerLimits> limits_;
  std::optional<AuditLog> audit_;
  std::optional<Access> access_;
  RemoteAccess remote_;
  std::unique_ptr<grpc::Service> experiment_service_;
  std::unique_ptr<grpc::Service> worker_service_;
  std::unique_ptr<grpc::Service> artifact_service_;
  std::unique_ptr<grpc::Service> admin_service_;
  std::optional<GarbageCollector> garbage_;
  std::unique_ptr<grpc::Service> storage_service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ExperimentService::Stub> experiments_;
  std::unique_ptr<v1::WorkerService::Stub> workers_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::unique_ptr<v1::StorageService::Stub> stored_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_TESTING_SERVICE_HARNESS_H_
