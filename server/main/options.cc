#include "server/main/options.h"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

constexpr char kFooter[] = R"(
Example:
  quant-coordinator --data-dir ~/.quantlab --catalog configs/catalog.yaml
  quantctl --coordinator unix:$HOME/.quantlab/coordinator.sock list

Serving begins when the line "ready ADDRESS" appears on stdout. SIGTERM and SIGINT stop gently: running
attempts go on at their workers and are taken up again after the next start.

Exit codes:
  0   stopped as asked
  2   wrong command line
  3   the data folder is in use, damaged, made by a newer version, or cannot be written to
  4   an address cannot be listened on
  5   the catalogue cannot be read, or is wrong
  70  a fault of the program
)";

constexpr char kDefaultMetrics[] = "127.0.0.1:9464";

// Places of the catalogue in a checkout and in an installation.
std::string DefaultCatalog() {
  std::error_code error;
  for (const char* path : {"configs/catalog.yaml", "/usr/local/share/quantlab/catalog.yaml",
                           "/usr/share/quantlab/catalog.yaml"}) {
    if (std::filesystem::exists(path, error)) return path;
  }
  return "configs/catalog.yaml";
}

// As given by flags, before it is checked.
struct Raw {
  Options options;
  std::string listen, metrics, log_format = "text", log_level = "info";
  double lease_seconds = 30;
};

void Declare(CLI::App& app, Raw& raw) {
  app.footer(kFooter);
  app.set_version_flag("--version", QUANTLAB_VERSION);
  app.add_option("--data-dir", raw.options.data_dir,
                 "Folder with everything durable; made where it is missing")
      ->required();
  app.add_option(
      "--listen", raw.listen,
      "unix:/PATH (default: unix:DATA-DIR/coordinator.sock, for this user alone), or HOST:PORT on this machine's "
      "loopback; port 0 takes a free one");
  app.add_option(
      "--catalog", raw.options.catalog,
      "Models and datasets that experiment files may name (default: configs/catalog.yaml, or the installed "
      "one)");
  app.add_option("--metrics-listen", raw.metrics,
                 absl::StrCat("Address on loopback for GET /metrics, or off (default: ", kDefaultMetrics,
                              "; off with --lifeline-fd)"));
  app.add_option("--lease-seconds", raw.lease_seconds, "How long a silent worker keeps its run; 1 to 3600")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  app.add_flag("--check-artifacts", raw.options.check_artifacts,
               "Before serving, compare every stored artifact with its digest and set damaged ones aside");
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
  if (address == "off") return absl::OkStatus();
  const auto parsed = ParseListenAddress(address);
  if (!parsed.ok() || parsed->is_socket()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--metrics-listen is ", address, "; allowed: off, 127.0.0.1:PORT, [::1]:PORT, localhost:PORT"));
  }
  options.metrics_address = parsed->ToString();
  return absl::OkStatus();
}

absl::Status Check(Raw& raw) {
  Options& options = raw.options;
  if (options.data_dir.empty()) return absl::InvalidArgumentError("--data-dir is empty");
  std::error_code error;
  options.data_dir = std::filesystem::absolute(options.data_dir, error).lexically_normal().string();
  const std::string listen =
      raw.listen.empty() ? absl::StrCat("unix:", options.data_dir, "/coordinator.sock") : raw.listen;
  auto address = ParseListenAddress(listen);
  if (!address.ok()) return address.status();
  options.listen = *std::move(address);
  if (options.catalog.empty()) options.catalog = DefaultCatalog();
  options.lease_term = absl::Seconds(raw.lease_seconds);
  if (absl::Status parsed = ParseLogOptions(raw.log_level, raw.log_format, &options.log); !parsed.ok())
    return parsed;
  return ReadMetricsAddress(raw, options);
}

}  // namespace

ParsedCommandLine ParseCommandLine(const std::vector<std::string>& arguments) {
  ParsedCommandLine parsed;
  CLI::App app("quant-coordinator: keeps experiments, hands their runs to workers, and collects the results",
               "quant-coordinator");
  Raw raw;
  Declare(app, raw);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    parsed.exits = true;
    const bool asked = e.get_exit_code() == 0;
    parsed.exit_code = asked ? kExitOk : kExitUsage;
    if (!asked) {
      parsed.text = absl::StrCat("quant-coordinator: ", e.what(), "; see quant-coordinator --help\n");
    } else {
      parsed.text = e.get_name() == "CallForVersion" ? absl::StrCat(e.what(), "\n") : app.help();
    }
    return parsed;
  }
  if (const absl::Status status = Check(raw); !status.ok()) {
    parsed.exits = true;
    parsed.exit_code = kExitUsage;
    parsed.text = absl::StrCat("quant-coordinator: ", std::string(status.message()), "\n");
  }
  parsed.options = std::move(raw.options);
  return parsed;
}

}  // namespace quantlab
