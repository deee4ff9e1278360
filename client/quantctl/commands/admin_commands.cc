// admin: who may use a coordinator, the certificates by which it is known, and copies of its database.
#include <filesystem>
#include <memory>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/messages/access.h"
#include "base/messages/messages.h"
#include "base/messages/storage.h"
#include "base/messages/transfer.h"
#include "base/status_macros.h"
#include "client/connection/storage_client.h"
#include "client/display/progress.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "security/authority.h"
#include "security/secret_file.h"

namespace quantlab::client {
namespace {

struct AddOptions {
  std::string name;
  std::string role = "submitter";
  double days = 365;
  std::string out;
};

struct AuthorityFlags {
  std::string folder;
  std::vector<std::string> hosts, clients;
};

std::string RoleOf(const v1::Identity& identity) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::Role_Name(identity.role()), "ROLE_"));
}

v1::Role RoleNamed(const std::string& name) {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::Role_Parse("ROLE_" + absl::AsciiStrToUpper(name), &role);
  return role;
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", ToTime(time), absl::LocalTimeZone());
}

absl::StatusOr<v1::CreateIdentityResponse> Create(Session& session, const AddOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(/*want_worker=*/false));
  v1::CreateIdentityRequest request;
  request.set_name(options.name);
  request.set_role(RoleNamed(options.role));
  request.set_valid_seconds(options.days * 86400);
  return client->CreateIdentity(request);
}

// The token is given out once: its file is there, and can be written, before the identity is.
absl::StatusOr<v1::CreateIdentityResponse> CreateInto(Session& session, const AddOptions& options) {
  QL_RETURN_IF_ERROR(WriteSecretFile(options.out, ""));
  absl::StatusOr<v1::CreateIdentityResponse> answer = Create(session, options);
  if (!answer.ok()) {
    unlink(options.out.c_str());
    return answer;
  }
  const absl::Status written = ReplaceSecretFile(options.out, answer->token() + "\n");
  if (!written.ok()) {
    unlink(options.out.c_str());
    return MessageStatus(written.code(), messages::kTokenLost(MessageOf(written), options.name));
  }
  answer->clear_token();
  session.Note(messages::kTokenWrittenTo(options.out));
  return answer;
}

absl::StatusOr<int> AddUser(Session& session, const AddOptions& options) {
  QL_ASSIGN_OR_RETURN(const v1::CreateIdentityResponse answer,
                      options.out.empty() ? Create(session, options) : CreateInto(session, options));
  const v1::Identity& identity = answer.identity();
  if (!session.is_table()) {
    session.PrintDocument("CreatedIdentity", ToJsonValue(answer));
  } else if (options.out.empty()) {
    session.Note(
        messages::kIdentityAdded(identity.name(), RoleOf(identity), TimeText(identity.expire_time())));
    session.Print(answer.token() + "\n");
  }
  return kExitOk;
}

// To be pasted into a shell; the token goes through a pipe and so into no list of processes.
std::string JoinCommand(const v1::CreateIdentityResponse& answer) {
  const std::string fingerprint =
      answer.ca_sha256().empty() ? "" : absl::StrCat(" --ca-fingerprint ", answer.ca_sha256());
  return absl::StrCat("echo ", answer.token(), " | quant-worker join --coordinator ", answer.remote_address(),
                      fingerprint, " --data-dir /var/lib/quantlab/worker\n");
}

absl::StatusOr<int> AddWorker(Session& session, const AddOptions& options) {
  QL_ASSIGN_OR_RETURN(const v1::CreateIdentityResponse answer, Create(session, options));
  if (!session.is_table()) {
    session.PrintDocument("CreatedIdentity", ToJsonValue(answer));
    return kExitOk;
  }
  if (answer.remote_address().empty()) {
    session.Warn(messages::kNotReachable());
    session.Print(answer.token() + "\n");
    return kExitOk;
  }
  session.Note(messages::kJoinThisWay(answer.identity().name(), TimeText(answer.identity().expire_time())));
  session.Print(JoinCommand(answer));
  return kExitOk;
}

absl::StatusOr<int> Revoke(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(/*want_worker=*/false));
  QL_ASSIGN_OR_RETURN(const v1::Identity identity, client->RevokeIdentity(name));
  if (session.is_table()) {
    session.Note(messages::kIdentityRevoked(identity.name()));
  } else {
    session.PrintDocument("Identity", ToJsonValue(identity));
  }
  return kExitOk;
}

Cell StateOf(Session& session, const v1::Identity& identity) {
  if (identity.has_revoke_time()) return {session.Term("REVOKED"), Tone::kBad};
  if (ToTime(identity.expire_time()) <= absl::Now()) return {session.Term("EXPIRED"), Tone::kBad};
  if (identity.waits_for_join()) return {session.Term("JOINING"), Tone::kBusy};
  return {session.Term("VALID"), Tone::kGood};
}

absl::StatusOr<int> List(Session& session) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(/*want_worker=*/false));
  QL_ASSIGN_OR_RETURN(const v1::ListIdentitiesResponse answer, client->ListIdentities());
  if (!session.is_table()) {
    session.PrintDocument("IdentityList", ToJsonValue(answer));
    return kExitOk;
  }
  Table table({{"IDENTITY"}, {"RIGHTS"}, {"STATE"}, {"EXPIRES"}, {"WORKER"}});
  for (const v1::Identity& identity : answer.identities()) {
    table.Add({identity.name(), RoleOf(identity), StateOf(session, identity),
               TimeText(identity.expire_time()), identity.worker_id()});
  }
  session.Print(table);
  return kExitOk;
}

// Those given. Otherwise this machine's names, unless only clients are added to an authority that has a
// server certificate: the names in that one stay.
std::vector<std::string> HostsOf(const AuthorityFlags& flags) {
  const bool has_server = access((flags.folder + "/server.crt").c_str(), F_OK) == 0;
  if (!flags.hosts.empty() || (!flags.clients.empty() && has_server)) return flags.hosts;
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return {name, "localhost", "127.0.0.1"};
}

absl::StatusOr<int> InitCa(Session& session, const AuthorityFlags& flags) {
  const AuthorityOptions options{flags.folder, HostsOf(flags), flags.clients, absl::Now()};
  QL_ASSIGN_OR_RETURN(const std::string fingerprint, InitAuthority(options));
  if (!options.hosts.empty()) session.Note(messages::kAuthorityMade(flags.folder, fingerprint));
  for (const std::string& client : flags.clients)
    session.Note(messages::kClientCertificateMade(absl::StrCat(flags.folder, "/", client, ".crt"), client));
  if (!session.is_table())
    session.PrintDocument("Authority", Json{{"folder", flags.folder}, {"sha256", fingerprint}});
  return kExitOk;
}

absl::StatusOr<int> BackUp(Session& session, const std::string& file) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(/*want_worker=*/false));
  QL_RETURN_IF_ERROR(StorageClient(*client).BackUpDatabase(file));
  std::error_code error;
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(file, error));
  if (session.is_table()) {
    session.Note(messages::kBackedUp(file, bytes));
  } else {
    session.PrintDocument("Backup", Json{{"file", file}, {"bytes", bytes}});
  }
  return kExitOk;
}

CLI::App* AddAdmin(CommandLine& line, CLI::App* admin, const char* name, const Message& what,
                   const char* examples) {
  CLI::App* command = admin->add_subcommand(name, line.Say(what));
  command->group(RenderTerm(line.language, "Subcommands"));
  command->footer(line.Say(messages::kHelpExample(examples)));
  command->fallthrough();
  return command;
}

void AddAddCommands(CommandLine& line, CLI::App* admin) {
  const auto user = std::make_shared<AddOptions>();
  CLI::App* command = AddAdmin(line, admin, "add-user", messages::kHelpAddUser(),
                               "  quantctl admin add-user alice --out alice.token\n"
                               "  quantctl admin add-user grafana --role viewer --days 30");
  command->add_option("NAME", user->name, line.Say(messages::kHelpIdentityName()))->required();
  command->add_option("--role", user->role, line.Say(messages::kHelpRole()))
      ->check(CLI::IsMember({"viewer", "submitter", "admin"}));
  command->add_option("--days", user->days, line.Say(messages::kHelpValidDays()))
      ->check(CLI::Range(1.0, 3650.0));
  command->add_option("--out", user->out, line.Say(messages::kHelpTokenOut()))->type_name("FILE");
  command->callback([&line, user] { line.action = [user](Session& s) { return AddUser(s, *user); }; });

  const auto worker = std::make_shared<AddOptions>();
  worker->role = "worker";
  command =
      AddAdmin(line, admin, "add-worker", messages::kHelpAddWorker(), "  quantctl admin add-worker gpu1");
  command->add_option("NAME", worker->name, line.Say(messages::kHelpIdentityName()))->required();
  command->add_option("--days", worker->days, line.Say(messages::kHelpValidDays()))
      ->check(CLI::Range(1.0, 3650.0));
  command->callback(
      [&line, worker] { line.action = [worker](Session& s) { return AddWorker(s, *worker); }; });
}

}  // namespace

void AddAdminCommands(CommandLine& line) {
  CLI::App* admin = AddCommand(line, "admin", line.Say(messages::kHelpAdmin()),
                               "  quantctl admin init-ca --dir /etc/quantlab/tls --host coordinator.example\n"
                               "  quantctl admin add-user alice --out alice.token\n"
                               "  quantctl admin add-worker gpu1\n"
                               "  quantctl admin list");
  admin->require_subcommand(1);
  AddAddCommands(line, admin);

  const auto name = std::make_shared<std::string>();
  CLI::App* command =
      AddAdmin(line, admin, "revoke", messages::kHelpRevoke(), "  quantctl admin revoke alice");
  command->add_option("NAME", *name, line.Say(messages::kHelpIdentityName()))->required();
  command->callback([&line, name] { line.action = [name](Session& s) { return Revoke(s, *name); }; });

  command = AddAdmin(line, admin, "list", messages::kHelpAdminList(), "  quantctl admin list");
  command->callback([&line] { line.action = List; });

  const auto file = std::make_shared<std::string>();
  command =
      AddAdmin(line, admin, "backup", messages::kHelpBackup(), "  quantctl admin backup /backup/quantlab.db");
  command->add_option("FILE", *file, line.Say(messages::kHelpBackupFile()))->required();
  command->callback([&line, file] { line.action = [file](Session& s) { return BackUp(s, *file); }; });

  const auto flags = std::make_shared<AuthorityFlags>();
  command =
      AddAdmin(line, admin, "init-ca", messages::kHelpInitCa(),
               "  quantctl admin init-ca --dir /etc/quantlab/tls --host coordinator.example --host 10.0.0.5");
  command->add_option("--dir", flags->folder, line.Say(messages::kHelpCaDir()))->required()->type_name("DIR");
  command->add_option("--host", flags->hosts, line.Say(messages::kHelpCaHost()))->type_name("HOST");
  command->add_option("--client", flags->clients, line.Say(messages::kHelpCaClient()))->type_name("NAME");
  command->callback([&line, flags] { line.action = [flags](Session& s) { return InitCa(s, *flags); }; });
}

}  // namespace quantlab::client
