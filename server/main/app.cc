#include "server/main/app.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/records/ids.h"
#include "base/status_macros.h"
#include "catalog/catalog.h"
#include "monitoring/exporter.h"
#include "platform/files.h"
#include "platform/probe.h"
#include "security/certificates.h"
#include "server/core/coordinator.h"
#include "server/service/access/access.h"
#include "server/service/admin_service.h"
#include "server/service/artifact_service.h"
#include "server/service/core_log.h"
#include "server/service/experiment_pages.h"
#include "server/service/experiment_service.h"
#include "server/service/garbage_collector.h"
#include "server/service/rpc/rpc_server.h"
#include "server/service/storage_service.h"
#include "server/service/worker_service.h"
#include "storage/storage.h"
#include "storage/usage_meter.h"

namespace quantlab {
namespace {

// These threads wait for the disk, not for the processor: as many changes as share one synchronization.
constexpr int kPoolThreads = 64;
constexpr size_t kPoolQueue = 20'000;
constexpr absl::Duration kStopGrace = absl::Seconds(2);
// Long, since a machine under load answers late, and a restart costs more than late detection.
constexpr absl::Duration kServesTimeout = absl::Seconds(5);
constexpr int kMaxFailedChecks = 6;

uint64_t RandomSeed() {
  uint64_t seed = 0;
  SystemRandom()(reinterpret_cast<unsigned char*>(&seed), sizeof(seed));
  return seed;
}

DataFolderSize ToSize(const DataUsage& usage) {
  return {usage.database_bytes, usage.wal_bytes,  usage.artifacts,  usage.artifact_bytes,
          usage.incoming_bytes, usage.free_bytes, usage.total_bytes};
}

}  // namespace

// In the order of construction: each uses only those above it.
struct App::Parts {
  std::unique_ptr<Log> log;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<CoreLog> core_log;
  std::unique_ptr<Storage> storage;
  std::unique_ptr<UsageMeter> usage;
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<WorkPool> pool;
  std::unique_ptr<IdentityDirectory> identities;
  std::unique_ptr<CallerLimits> limits;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<Access> access;
  RpcEnvironment rpc;
  RemoteAccess remote;
  std::unique_ptr<grpc::Service> experiments, workers, artifacts, admin;
  RetentionPolicy retention;
  std::unique_ptr<GarbageCollector> garbage;
  std::unique_ptr<grpc::Service> stored;
  std::unique_ptr<ExperimentPages> pages;
  std::string certificate;  // the chain that was served at the start, PEM; empty without TLS
  std::string authority;    // its fingerprint; empty without TLS
  std::unique_ptr<RpcServer> server;
  std::optional<Address> local;  // this machine's own socket, beside the server's address
  SocketFile socket{Address{}};  // of OwnAddress()
  int failed_checks = 0;         // in a row
  // Serves from before the data folder is opened until after the last call, so that whoever watches sees why
  // the service is not ready.
  std::unique_ptr<Exporter> exporter;

  absl::Status OpenCatalog(const std::string& path, Catalog* catalog) {
    QL_ASSIGN_OR_RETURN(*catalog, Catalog::Load(path));
    return absl::OkStatus();
  }

  absl::Status OpenData(const Options& options) {
    QL_RETURN_IF_ERROR(MakeDirectories(options.data_dir));
    StorageOptions observed;
    observed.database.observe_checkpoint = [this](absl::Duration took) { metrics->OnCheckpoint(took); };
    observed.database.database.observe_commit = [this](absl::Duration took, int writes) {
      metrics->OnTransaction(took, writes);
    };
    QL_ASSIGN_OR_RETURN(storage, OpenStorage(options.data_dir, observed));
    usage = std::make_unique<UsageMeter>(options.data_dir, &Clock::Real());
    if (options.check_artifacts) QL_RETURN_IF_ERROR(CheckArtifacts());
    CoordinatorOptions core;
    core.lease_term = options.lease_term;
    core.jitter_seed = RandomSeed();
    coordinator = std::make_unique<Coordinator>(
        CoordinatorParts{&storage->states(), &storage->events(), &storage->artifacts(), &Clock::Real(),
                         core_log.get(), &storage->worker_modes(), &storage->groups()},
        core);
    return coordinator->Recover();
  }

  absl::Status CheckArtifacts() {
    log->Write(LogLevel::kInfo, "checking every artifact; the service starts when all have been read");
    QL_ASSIGN_OR_RETURN(const FileArtifactStore::Check check, storage->artifacts().CheckAll());
    for (const std::string& sha256 : check.damaged) {
      log->Write(LogLevel::kError, "a damaged artifact was set aside", {}, {{"sha256", sha256}});
    }
    log->Write(LogLevel::kInfo, "artifacts checked", {},
               {{"files", absl::StrCat(check.files)},
                {"bytes", absl::StrCat(check.bytes)},
                {"damaged", absl::StrCat(check.damaged.size())}});
    return absl::OkStatus();
  }

  absl::Status OpenAccess(const Options& options) {
    identities = std::make_unique<IdentityDirectory>(&storage->identities(), &Clock::Real());
    QL_RETURN_IF_ERROR(identities->Load());
    limits = std::make_unique<CallerLimits>(options.limits, &Clock::Real());
    if (!options.audit_log.empty()) {
      LogOptions audit_options;
      audit_options.json = options.log.json;
      audit_options.file = options.audit_log;
      QL_ASSIGN_OR_RETURN(auto file, Log::Open(audit_options));
      audit = std::make_unique<AuditLog>(std::move(file), &Clock::Real());
    }
    access = std::make_unique<Access>(options.require_auth, identities.get(), limits.get(), audit.get(),
                                      &Clock::Real());
    return absl::OkStatus();
  }

  absl::Status OpenCertificate(const Options& options) {
    if (!options.tls) return absl::OkStatus();
    QL_ASSIGN_OR_RETURN(certificate, CheckTlsFiles(*options.tls));
    QL_ASSIGN_OR_RETURN(authority, LastFingerprint(certificate));
    return absl::OkStatus();
  }

  // Where workers join. Without tokens there is nothing to join with, and a wildcard is no address to connect
  // to from another machine.
  std::string RemoteAddress(const Options& options) const {
    if (!options.advertise.empty()) return options.advertise;
    return options.local && !IsWildcard(options.listen) ? server->address().ToString() : "";
  }

  // Where this machine's user connects.
  const Address& OwnAddress() const { return local ? *local : server->address(); }

  absl::Status CheckAddresses() const {
    if (local) QL_RETURN_IF_ERROR(quantlab::CheckServes(*local, kServesTimeout));
    const Address& address = server->address();
    return certificate.empty() ? quantlab::CheckServes(address, kServesTimeout)
                               : CheckServesTls(address, certificate, kServesTimeout);
  }

  // Whoever may call without a token may read experiments on the metrics address without one: every user of
  // this machine, where they reach the coordinator.
  static bool PagesNeedToken(const Options& options) {
    return options.require_auth || options.tls || options.listen.is_socket();
  }

  void BuildServices(const Options& options, Catalog catalog) {
    pool = std::make_unique<WorkPool>(kPoolThreads, kPoolQueue);
    rpc = {log.get(), metrics.get(), pool.get(), &Clock::Real(), access.get()};
    experiments = MakeExperimentService(ExperimentServiceParts{rpc, coordinator.get(), &storage->states(),
                                                               &storage->events(), &storage->artifacts(),
                                                               std::move(catalog), QUANTLAB_VERSION});
    workers = MakeWorkerService(rpc, coordinator.get());
    artifacts = MakeArtifactService(rpc, &storage->artifacts(), coordinator.get());
    admin = MakeAdminService(rpc, coordinator.get(), &remote);
    retention = options.retention;
    garbage = std::make_unique<GarbageCollector>(coordinator.get(), &storage->deletion(),
                                                 &storage->artifacts(), &Clock::Real());
    stored = MakeStorageService(
        rpc, &storage->states(), garbage.get(),
        StorageFolder{options.data_dir, [folder = options.data_dir](const std::string& to) {
                        return BackUpStorage(folder, to);
                      }});
    pages = std::make_unique<ExperimentPages>(access.get(), &storage->states(), &storage->events(),
                                              PagesNeedToken(options));
  }

  void ApplyRetention() {
    const auto removed = garbage->ApplyRetention(retention);
    if (!removed.ok()) {
      log->Write(LogLevel::kWarning, "removing what is older than the retention rules keep", {},
                 {{"error", std::string(removed.status().message())}});
    } else if (removed->files > 0) {
      log->Write(LogLevel::kInfo, "removed what is older than the retention rules keep", {},
                 {{"files", absl::StrCat(removed->files)}, {"bytes", absl::StrCat(removed->bytes)}});
    }
  }

  void CollectGarbage() {
    const auto collected = garbage->Collect(GarbageCollector::kStandardAge, /*dry_run=*/false);
    if (!collected.ok()) {
      log->Write(LogLevel::kWarning, "removing what nothing refers to", {},
                 {{"error", std::string(collected.status().message())}});
    } else if (collected->unreferenced.files + collected->partial.files > 0) {
      log->Write(LogLevel::kInfo, "removed what nothing refers to", {},
                 {{"files", absl::StrCat(collected->unreferenced.files)},
                  {"bytes", absl::StrCat(collected->unreferenced.bytes)},
                  {"partial_uploads", absl::StrCat(collected->partial.files)},
                  {"partial_bytes", absl::StrCat(collected->partial.bytes)}});
    }
  }

  absl::Status ServeMetrics(const Options& options) {
    if (options.metrics_address.empty()) return absl::OkStatus();
    exporter = std::make_unique<Exporter>();
    QL_ASSIGN_OR_RETURN(const Address address, ParseListenAddress(options.metrics_address));
    const absl::Status serving = exporter->Serve(address);
    if (serving.ok()) return serving;
    return absl::UnavailableError(absl::StrCat("metrics: ", serving.message(),
                                               "; choose another address with --metrics-listen, or off"));
  }

  void SetReady() {
    if (exporter == nullptr) return;
    exporter->SetMetrics([this] { return metrics->Collect(coordinator->Stats(), ToSize(usage->Measure())); });
    exporter->SetPages([this](const HttpRequest& request) { return pages->Answer(request); });
    exporter->SetReadiness([] { return absl::OkStatus(); });
  }

  absl::Status Listen(const Options& options) {
    QL_ASSIGN_OR_RETURN(
        server,
        RpcServer::Start({experiments.get(), workers.get(), artifacts.get(), admin.get(), stored.get()},
                         {options.listen, options.reflection, options.tls, options.local}));
    remote.Set({RemoteAddress(options), authority});
    local = options.local;
    socket = SocketFile(OwnAddress());
    return absl::OkStatus();
  }
};

App::App(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

App::~App() {
  Stop();
}

absl::StatusOr<std::unique_ptr<App>> App::Start(const Options& options, int* exit_code) {
  auto parts = std::make_unique<Parts>();
  *exit_code = kExitUsage;
  QL_ASSIGN_OR_RETURN(parts->log, Log::Open(options.log));
  parts->metrics = std::make_unique<Metrics>(QUANTLAB_VERSION);
  parts->core_log = std::make_unique<CoreLog>(parts->log.get(), parts->metrics.get());
  *exit_code = kExitCatalog;
  Catalog catalog;
  QL_RETURN_IF_ERROR(parts->OpenCatalog(options.catalog, &catalog));
  // Reported only after the data folder: where another coordinator uses both, the folder is the better
  // reason.
  const absl::Status serves_metrics = parts->ServeMetrics(options);
  *exit_code = kExitDataFolder;
  QL_RETURN_IF_ERROR(parts->OpenData(options));
  QL_RETURN_IF_ERROR(parts->OpenAccess(options));
  *exit_code = kExitListen;
  QL_RETURN_IF_ERROR(serves_metrics);
  QL_RETURN_IF_ERROR(parts->OpenCertificate(options));
  parts->BuildServices(options, std::move(catalog));
  QL_RETURN_IF_ERROR(parts->Listen(options));
  parts->SetReady();
  *exit_code = kExitOk;
  parts->log->Write(
      LogLevel::kInfo, "serving", {},
      {{"version", QUANTLAB_VERSION},
       {"address", parts->server->address().ToString()},
       {"data_dir", options.data_dir},
       {"metrics", parts->exporter ? parts->exporter->endpoint()->address().ToString() : "off"}});
  return std::unique_ptr<App>(new App(std::move(parts)));
}

std::string App::metrics_address() const {
  return parts_->exporter ? parts_->exporter->endpoint()->address().ToString() : "";
}

std::string App::target() const {
  return parts_->server->address().ToString();
}

void App::Tick() {
  parts_->coordinator->Tick();
  parts_->access->open_calls().EndInvalid();
}

void App::CleanUp() {
  // The store may have many files, and this thread keeps the leases.
  parts_->pool->Submit(
      [parts = parts_.get()] {
        parts->CollectGarbage();
        parts->ApplyRetention();
      },
      Lane::kRead);
}

absl::Status App::CheckServes() {
  const absl::Status status = parts_->CheckAddresses();
  parts_->failed_checks = status.ok() ? 0 : parts_->failed_checks + 1;
  if (status.ok()) return status;
  parts_->log->Write(LogLevel::kError, "new connections are not served", {},
                     {{"error", std::string(status.message())}});
  return parts_->failed_checks < kMaxFailedChecks ? absl::OkStatus() : status;
}

absl::Status App::CheckSocket() const {
  if (!parts_->socket.replaced()) return absl::OkStatus();
  const std::string path = parts_->OwnAddress().ToString();
  parts_->log->Write(LogLevel::kError, "the socket was removed or replaced", {}, {{"address", path}});
  return absl::UnavailableError(absl::StrCat("the socket of ", path, " was removed or replaced"));
}

void App::Stop() {
  if (parts_ == nullptr) return;
  parts_->log->Write(LogLevel::kInfo, "stopping");
  if (parts_->exporter)
    parts_->exporter->SetReadiness([] { return absl::UnavailableError("the service is stopping"); });
  parts_->coordinator->StopWaiting();
  parts_->server->Shutdown(kStopGrace);
  parts_->exporter.reset();
  parts_->server.reset();
  parts_->pool.reset();
  parts_->log->Write(LogLevel::kInfo, "stopped");
  parts_.reset();
}

}  // namespace quantlab
