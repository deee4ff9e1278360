#include "client/results/folder_exchange.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdio.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "client/display/text.h"
#include "client/results/marker.h"
#include "platform/files.h"
#include "platform/paths.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr char kNewMarker[] = ".experiment.json.new";
constexpr char kLock[] = ".lock";
constexpr char kJournal[] = ".written";
constexpr char kPart[] = ".part";  // a download that is not complete (client/connection/transfer.h)
constexpr char kPartial[] = ".partial";

// The files that manage the folder itself.
bool IsInternal(const std::string& relative) {
  return relative == kMarker || relative == kNewMarker || relative == kLock || relative == kJournal;
}

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error));
}

absl::StatusOr<std::vector<fs::path>> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error) return FromError(error, "list", folder);
  return entries;
}

OwnFiles ReadOwnFiles(const fs::path& folder) {
  OwnFiles own;
  if (std::optional<ResultsMarker> marker = ReadMarker(folder); marker.has_value())
    own = {std::move(marker->id), std::move(marker->files), marker->written};
  const absl::StatusOr<std::string> journal = ReadFile((folder / kJournal).string(), kMarkerLimit);
  if (!journal.ok()) return own;
  for (const absl::string_view line : absl::StrSplit(*journal, '\n', absl::SkipEmpty()))
    own.files.insert(std::string(line));
  return own;
}

// `path`, or where something has that name "<path>.kept", "<path>.kept.2", …
fs::path FreeName(const fs::path& path) {
  if (!IsThere(path)) return path;
  const std::string kept = path.string() + ".kept";
  std::string name = kept;
  for (int i = 2; IsThere(name); ++i) name = absl::StrCat(kept, ".", i);
  return name;
}

bool SameBytes(const fs::path& a, const fs::path& b) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(b, error)) ||
      fs::file_size(a, error) != fs::file_size(b, error))
    return false;
  std::ifstream left(a, std::ios::binary), right(b, std::ios::binary);
  return std::equal(std::istreambuf_iterator<char>(left), {}, std::istreambuf_iterator<char>(right), {});
}

// Moves the user's files out of one folder into another.
class Rescue {
 public:
  explicit Rescue(const OwnFiles& own) : own_(own) {}

  absl::Status Move(const fs::path& from, const fs::path& to, const fs::path& relative = {}) const {
    QL_ASSIGN_OR_RETURN(const std::vector<fs::path> entries, EntriesOf(from));
    for (const fs::path& entry : entries) {
      const fs::path name = relative / entry.filename();
      const fs::path target = to / entry.filename();
      if (IsFolder(entry) && (IsFolder(target) || own_.HasBelow(name.generic_string()))) {
        QL_RETURN_IF_ERROR(Move(entry, IsFolder(target) ? target : FreeName(target), name));
      } else if (IsTheUsers(entry, target, name.generic_string())) {
        QL_RETURN_IF_ERROR(MoveOne(entry, target));
      }
    }
    return absl::OkStatus();
  }

 private:
  bool IsTheUsers(const fs::path& entry, const fs::path& target, const std::string& name) const {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(entry, error);
    // A link or a folder in the place of a file of ours is not what we wrote.
    if (!own_.Has(name) || !fs::is_regular_file(status)) return true;
    const bool edited =
        !own_.id.empty() && !IsInternal(name) && fs::last_write_time(entry, error) > own_.written;
    return edited && !SameBytes(entry, target);
  }

  static absl::Status MoveOne(const fs::path& entry, const fs::path& target) {
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (!error) fs::rename(entry, FreeName(target), error);
    return error ? FromError(error, "move", entry) : absl::OkStatus();
  }

  const OwnFiles& own_;
};

// Removes what quantctl wrote in a folder, except `keep`, and the folders that become empty.
absl::Status RemoveOwn(const fs::path& folder, const OwnFiles& own, const std::set<std::string>& keep,
                       const fs::path& relative = {}) {
  QL_ASSIGN_OR_RETURN(const std::vector<fs::path> entries, EntriesOf(folder));
  for (const fs::path& entry : entries) {
    const std::string name = (relative / entry.filename()).generic_string();
    if (IsFolder(entry)) {
      QL_RETURN_IF_ERROR(RemoveOwn(entry, own, keep, name));
      rmdir(entry.c_str());  // fails where something is left in it, which is meant
    } else if (own.Has(name) && keep.count(name) == 0 && unlink(entry.c_str()) != 0) {
      return FileError(errno, "remove", entry.string());
    }
  }
  return absl::OkStatus();
}

// The place of the results; a link that the user made, to another disk for example, is followed.
fs::path ResolvedTarget(const fs::path& target) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(target, error)) || !fs::is_directory(target, error)) return target;
  const fs::path real = fs::canonical(target, error);
  return error ? target : real;
}

std::string HiddenName(const fs::path& target, const std::string& id) {
  return absl::StrCat(".", target.filename().string(), "@", id, kPartial);
}

}  // namespace

bool OwnFiles::Has(const std::string& relative) const {
  if (IsInternal(relative) || files.count(relative) > 0) return true;
  return absl::EndsWith(relative, kPart) &&
         files.count(relative.substr(0, relative.size() - sizeof(kPart) + 1)) > 0;
}

bool OwnFiles::HasBelow(const std::string& relative) const {
  const auto next = files.lower_bound(relative + "/");
  return next != files.end() && absl::StartsWith(*next, relative + "/");
}

FolderExchange::FolderExchange(fs::path target, std::string id)
    : root_(target.parent_path()),
      target_(target),
      temp_(root_ / HiddenName(target, id)),
      id_(std::move(id)) {}

absl::StatusOr<std::unique_ptr<FolderExchange>> FolderExchange::Open(const std::string& results_dir,
                                                                     const std::string& name,
                                                                     const std::string& id) {
  std::error_code error;
  fs::create_directories(results_dir, error);
  if (error) return FromError(error, "create", results_dir);
  std::unique_ptr<FolderExchange> exchange(
      new FolderExchange(ResolvedTarget(fs::path(results_dir) / name), id));
  QL_RETURN_IF_ERROR(exchange->Prepare());
  return exchange;
}

absl::Status FolderExchange::Prepare() {
  std::error_code error;
  fs::create_directories(temp_, error);
  if (error) return FromError(error, "create", temp_);
  QL_ASSIGN_OR_RETURN(lock_, FileLock::Try((temp_ / kLock).string(), FileLock::Mode::kExclusive));
  if (lock_ == nullptr) {
    return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kResultsBusy(id_));
  }
  old_ = ReadOwnFiles(target_);
  const OwnFiles left = ReadOwnFiles(temp_);
  // After an exchange that was cut short, the hidden folder is the old one with the user's files.
  if (old_.id == id_) QL_RETURN_IF_ERROR(Rescue(left).Move(temp_, target_));
  before_ = left.files;
  std::ofstream journal(temp_ / kJournal, std::ios::binary | std::ios::trunc);
  for (const std::string& path : before_) journal << path << "\n";
  journal.close();
  if (!journal) return FileError(errno != 0 ? errno : EIO, "write", (temp_ / kJournal).string());
  fs::remove(temp_ / kMarker, error);
  return FinishOthers();
}

// Results that stand in the place now may be those of another experiment whose exchange was cut short.
absl::Status FolderExchange::FinishOthers() {
  if (old_.id.empty() || old_.id == id_) return absl::OkStatus();
  const fs::path other = root_ / HiddenName(target_, old_.id);
  if (!IsFolder(other)) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const auto lock, FileLock::Try((other / kLock).string(), FileLock::Mode::kExclusive));
  if (lock == nullptr)
    return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kResultsBusy(old_.id));
  const OwnFiles left = ReadOwnFiles(other);
  return Rescue(left).Move(other, target_);
}

absl::Status FolderExchange::Claim(const std::string& path) {
  if (!IsSafeRelativePath(path)) {
    return absl::InvalidArgumentError(absl::StrCat("the coordinator names a file '", Printable(path),
                                                   "', which would leave the results folder"));
  }
  std::error_code error;
  if (IsThere(temp_ / path) && before_.count(path) == 0 && files_.count(path) == 0) {
    fs::rename(temp_ / path, FreeName(temp_ / path), error);
    if (error) return FromError(error, "move", temp_ / path);
  }
  files_.insert(path);
  errno = 0;
  std::ofstream journal(temp_ / kJournal, std::ios::binary | std::ios::app);
  journal << path << "\n";
  journal.close();
  if (!journal) return FileError(errno != 0 ? errno : EIO, "write", (temp_ / kJournal).string());
  fs::create_directories((temp_ / path).parent_path(), error);
  return error ? FromError(error, "create", (temp_ / path).parent_path()) : absl::OkStatus();
}

std::string FolderExchange::FirstFree(const std::vector<std::string>& paths) const {
  const OwnFiles own{"", files_, {}};
  for (const std::string& path : paths) {
    bool taken = own.Has(path) || own.Has(path + kPart) || own.HasBelow(path);
    for (size_t slash = path.find('/'); slash != std::string::npos && !taken;
         slash = path.find('/', slash + 1))
      taken = own.Has(path.substr(0, slash));
    if (!taken) return path;
  }
  return "";
}

fs::path FolderExchange::Old(const std::string& path) const {
  std::error_code error;
  const bool there = old_.id == id_ && fs::is_regular_file(fs::symlink_status(target_ / path, error));
  return there ? target_ / path : fs::path();
}

absl::StatusOr<std::string> FolderExchange::Publish(const std::string& marker) {
  std::set<std::string> keep = files_;
  keep.insert({kLock, kJournal});
  QL_RETURN_IF_ERROR(RemoveOwn(temp_, OwnFiles{"", before_, {}}, keep));
  // Not WriteFileAtomically: a kill would leave a name that the journal does not have.
  std::ofstream out(temp_ / kNewMarker, std::ios::binary | std::ios::trunc);
  out << marker;
  out.close();
  if (!out) return FileError(errno != 0 ? errno : EIO, "write", (temp_ / kNewMarker).string());
  std::error_code error;
  fs::rename(temp_ / kNewMarker, temp_ / kMarker, error);
  if (error) return FromError(error, "rename", temp_ / kNewMarker);
  fs::remove(temp_ / kJournal, error);
  std::string moved_away;
  if (IsThere(target_) && old_.id == id_) {
    QL_RETURN_IF_ERROR(Exchange());
  } else {
    if (IsThere(target_)) {
      QL_ASSIGN_OR_RETURN(moved_away, MoveAway());
    }
    fs::rename(temp_, target_, error);
    if (error) return FromError(error, "rename", temp_);
    fs::remove(target_ / kLock, error);
  }
  QL_RETURN_IF_ERROR(SyncDirectory(root_.string()));
  return moved_away;
}

absl::Status FolderExchange::Exchange() {
  // Held under the hidden name too, once the old folder has it.
  QL_ASSIGN_OR_RETURN(const auto lock, FileLock::Try((target_ / kLock).string(), FileLock::Mode::kExclusive));
  if (lock == nullptr) return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kResultsBusy(id_));
  if (renameat2(AT_FDCWD, temp_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
    return FileError(errno, "rename", temp_.string());
  }
  unlink((target_ / kLock).c_str());
  QL_RETURN_IF_ERROR(Rescue(old_).Move(temp_, target_));
  QL_RETURN_IF_ERROR(RemoveOwn(temp_, old_, {}));
  rmdir(temp_.c_str());  // stays where a file has just appeared in it; the next call moves that file
  return absl::OkStatus();
}

absl::StatusOr<std::string> FolderExchange::MoveAway() {
  const std::string base = absl::StrCat(target_.string(), "@", old_.id.empty() ? "older" : old_.id);
  std::string away = base;
  for (int i = 2; IsThere(away); ++i) away = absl::StrCat(base, ".", i);
  std::error_code error;
  fs::rename(target_, away, error);
  if (error) return FromError(error, "rename", target_);
  return away;
}

}  // namespace quantlab::client
