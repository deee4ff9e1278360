#include "server/main/options.h"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "monitoring/exporter.h"
#include "platform/environment.h"
#include "yaml/option_file.h"

namespace quantlab {
namespace {

constexpr char kFooter[] = R"(
Example:
  quant-coordinator --data-dir ~/.quantlab --catalog configs/catalog.yaml
  quantctl --coordinator unix:$HOME/.quantlab/coordinator.sock list

Serving begins when the line "ready ADDRESS" appears on stdout. SIGTERM and SIGINT stop gracefully: running
attempts continue on their workers, which reconnect after the next start.

A file of --config has the same options as keys, with '_' for '-' (listen: 127.0.0.1:7070); the command line
takes precedence over it.

Exit codes:
  0   stopped as asked
  2   wrong command line or file of --config
  3   the data folder is in use, damaged, made by a newer version, or cannot be written to
  4   an address cannot be listened on
  5   the catalogue cannot be read, or is wrong
  70  an internal error
)";

constexpr char kDefaultMetrics[] = "127.0.0.1:9464";

// Places of the catalogue in a checkout and in an installation, whose programs are in PREFIX/bin.
std::string DefaultCatalog() {
  std::error_code error;
  const std::filesystem::path prefix = std::filesystem::path(ExecutableFolder()).parent_path();
  for (const std::string& path :
       {std::string("configs/catalog.yaml"), (prefix / "share/quantlab/catalog.yaml").string(),
        std::string("/usr/local/share/quantlab/catalog.yaml"),
        std::string("/usr/share/quantlab/catalog.yaml")}) {
    if (std::filesystem::exists(path, error)) return path;
  }
  return "configs/catalog.yaml";
}

// As given by flags, before it is checked.
struct Raw {
  Options options;
  std::vector<std::string> retention;
  std::string quota;
  TlsFiles tls;
  std::string config, listen, metrics, log_format = "text", log_level = "info";
  double lease_seconds = 30;
};

void DeclareSecurity(CLI::App& app, Raw& raw) {
  Options& options = raw.options;
  app.add_option("--tls-cert", raw.tls.certificate,
                 "Certificate with its chain (PEM); needed beyond loopback, where only TLS 1.3 is spoken; a "
                 "replaced file is used without a restart");
  app.add_option("--tls-key", raw.tls.key, "Its private key (PEM), readable by this user alone");
  app.add_option("--tls-client-ca", raw.tls.client_ca,
                 "Accept client certificates of this authority (PEM) in place of tokens");
  app.add_flag("--require-auth", options.require_auth,
               "On loopback too every call needs a token; DATA-DIR/coordinator.sock stays open to this user");
  app.add_option(
      "--advertise", options.advertise,
      "HOST:PORT that 'quantctl admin add-worker' prints (default: the one of --listen, unless that is "
      "0.0.0.0 or [::])");
  app.add_option("--audit-log", options.audit_log,
                 "Who changed what and who was refused, or off (default: DATA-DIR/audit.log where tokens are "
                 "needed)");
  app.add_option("--max-requests-per-second", options.limits.requests_per_second, "Limit of each identity")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--max-open-calls", options.limits.open_calls,
                 "Streams and transfers that each identity may have open")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--max-upload-bytes-per-day", options.limits.upload_bytes_per_day, "Limit of each identity")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-unfinished-runs", options.limits.unfinished_runs, "Limit of each submitter")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void Declare(CLI::App& app, Raw& raw) {
  app.footer(kFooter);
  app.set_version_flag("--version", QUANTLAB_VERSION);
  app.add_option("--config", raw.config, "YAML file with options, e.g. /etc/quantlab/coordinator.yaml");
  app.add_option("--data-dir", raw.options.data_dir, "Folder of all durable data; created if it is missing")
      ->required();
  app.add_option(
      "--listen", raw.listen,
      "unix:/PATH (default: unix:DATA-DIR/coordinator.sock, for this user alone), or HOST:PORT: this machine's "
      "loopback, or with --tls-cert any address; port 0 takes a free one");
  DeclareSecurity(app, raw);
  app.add_option(
      "--catalog", raw.options.catalog,
      "Models and datasets that experiment files may name (default: configs/catalog.yaml, or the installed "
      "one)");
  app.add_option(
      "--metrics-listen", raw.metrics,
      absl::StrCat(
          "Address on loopback for GET /metrics, /healthz, /readyz and /api/v1/experiments, or off (default: ",
          kDefaultMetrics, "; off with --lifeline-fd)"));
  app.add_option("--lease-seconds", raw.lease_seconds,
                 "How long a worker that does not call keeps its run; 1 to 3600")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  app.add_option(
         "--retention", raw.retention,
         "KIND=AGE, for example models=180d: remove what is older; may be given for each kind: attempts (files of "
         "attempts without a result), failed-models, models, experiments (default: kept)")
      ->type_name("KIND=AGE")
      ->delimiter(',');
  app.add_option(
         "--store-quota", raw.quota,
         "For example 200GB: above it, files are removed before their age is reached, in the order of "
         "the kinds of --retention (default: no limit)")
      ->type_name("SIZE");
  app.add_flag("--check-artifacts", raw.options.check_artifacts,
               "Before serving, compare every stored artifact with its digest and set damaged ones aside");
  app.add_option(
         "--restore", raw.options.restore,
         "Put this backup of the database (quantctl admin backup) into the data folder and exit; the present "
         "one is kept beside it")
      ->type_name("FILE");
  app.add_option("--lifeline-fd", raw.options.lifeline_fd, "Stop when this open pipe closes: for embedding");
  app.add_option("--ready-fd", raw.options.ready_fd,
                 "Write the address to this open file when serving, and close it");
  app.add_flag("--reflection", raw.options.reflection, "Let tools such as grpcurl ask for the services");
  app.add_option("--log-format", raw.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--log-level", raw.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--log-file", raw.options.log.file, "Log there, rotated at 10 MB (default: stderr)");
}

absl::Status ReadMetricsAddress(const Raw& raw, Options& options) {
  std::string address = raw.metrics;
  if (address.empty()) address = options.lifeline_fd >= 0 ? "off" : kDefaultMetrics;
  QL_ASSIGN_OR_RETURN(const std::optional<Address> parsed, ParseMetricsListen(address));
  if (parsed) options.metrics_address = parsed->ToString();
  return absl::OkStatus();
}

// The address and what belongs to it.
absl::Status ReadListen(const Raw& raw, Options& options) {
  const std::string own_socket = absl::StrCat("unix:", options.data_dir, "/coordinator.sock");
  if (raw.tls.certificate.empty() != raw.tls.key.empty())
    return absl::InvalidArgumentError("--tls-cert and --tls-key belong together");
  if (!raw.tls.certificate.empty()) options.tls = raw.tls;
  if (!options.tls && !raw.tls.client_ca.empty())
    return absl::InvalidArgumentError("--tls-client-ca needs --tls-cert and --tls-key");
  QL_ASSIGN_OR_RETURN(options.listen, ParseListenAddress(raw.listen.empty() ? own_socket : raw.listen,
                                                         options.tls.has_value()));
  if (options.tls && options.listen.is_socket())
    return absl::InvalidArgumentError("--tls-cert needs --listen HOST:PORT; a Unix socket has no TLS");
  if (options.tls && options.reflection)
    return absl::InvalidArgumentError(
        "--reflection is for this machine only and cannot be combined with --tls-cert");
  const bool tokens = options.tls || options.require_auth;
  if (tokens && !options.listen.is_socket()) {
    QL_ASSIGN_OR_RETURN(options.local, ParseListenAddress(own_socket));
  }
  if (tokens && options.audit_log.empty()) options.audit_log = options.data_dir + "/audit.log";
  if (options.audit_log == "off") options.audit_log.clear();
  if (options.advertise.empty()) return absl::OkStatus();
  return Annotate(ParseAddress(options.advertise).status(), "--advertise");
}

absl::Status Check(Raw& raw) {
  Options& options = raw.options;
  if (options.data_dir.empty()) return absl::InvalidArgumentError("--data-dir is empty");
  std::error_code error;
  options.data_dir = std::filesystem::absolute(options.data_dir, error).lexically_normal().string();
  QL_RETURN_IF_ERROR(ReadListen(raw, options));
  if (options.catalog.empty()) options.catalog = DefaultCatalog();
  options.lease_term = absl::Seconds(raw.lease_seconds);
  const auto ages = ParseRetention(raw.retention);
  if (!ages.ok()) return Annotate(ages.status(), "--retention");
  options.retention.ages = *ages;
  if (!raw.quota.empty()) {
    const auto quota = ParseByteSize(raw.quota);
    if (!quota.ok()) return Annotate(quota.status(), "--store-quota");
    options.retention.quota_bytes = *quota;
  }
  if (absl::Status parsed = ParseLogOptions(raw.log_level, raw.log_format, &options.log); !parsed.ok())
    return parsed;
  return ReadMetricsAddress(raw, options);
}

// The arguments with those of the file of --config, if they name one.
absl::StatusOr<std::vector<std::string>> WithConfig(const CLI::App& app,
                                                    const std::vector<std::string>& arguments) {
  const std::string file = NamedOptionFile(arguments);
  if (file.empty()) return arguments;
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxOptionFileBytes));
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
  }
  return WithOptionFile(arguments, names, file, text);
}

ParsedCommandLine UsageError(absl::string_view what) {
  ParsedCommandLine parsed;
  parsed.exits = true;
  parsed.exit_code = kExitUsage;
  parsed.text = absl::StrCat("quant-coordinator: ", what, "\n");
  return parsed;
}

}  // namespace

ParsedCommandLine ParseCommandLine(const std::vector<std::string>& arguments) {
  ParsedCommandLine parsed;
  CLI::App app(
      "quant-coordinator: stores experiments, assigns their runs to workers, and collects the results",
      "quant-coordinator");
  Raw raw;
  Declare(app, raw);
  const absl::StatusOr<std::vector<std::string>> all = WithConfig(app, arguments);
  if (!all.ok()) return UsageError(all.status().message());
  std::vector<std::string> reversed(all->rbegin(), all->rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) return UsageError(absl::StrCat(e.what(), "; see quant-coordinator --help"));
    parsed.exits = true;
    parsed.text = e.get_name() == "CallForVersion" ? absl::StrCat(e.what(), "\n") : app.help();
    return parsed;
  }
  if (const absl::Status status = Check(raw); !status.ok()) return UsageError(status.message());
  parsed.options = std::move(raw.options);
  return parsed;
}

}  // namespace quantlab
