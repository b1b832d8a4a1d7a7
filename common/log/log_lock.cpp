#include "common/log/log_lock.h"

#include <errno.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <unistd.h>

#include <array>
#include <ctime>

#include "common/base/log.h"
#include "common/log/log_error.h"
#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr std::size_t kTextBytes = 256;

// "1234 host 2026-01-31 12:00:00 fl-channel", one line, padded with blanks over an older text.
std::string holder_text(std::int64_t now_ms) {
  std::array<char, 128> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    host[0] = '?';
  }
  const std::time_t now = now_ms / 1000;
  std::tm parts{};
  std::array<char, 32> when{};
  if (::gmtime_r(&now, &parts) == nullptr ||
      std::strftime(when.data(), when.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    when[0] = '?';
  }
  std::string text = fmt::format("{} {} {} {}", ::getpid(), host.data(), when.data(),
                                 ::program_invocation_short_name);
  text.resize(kTextBytes - 1, ' ');
  return text + '\n';
}

struct FileSystem {
  std::int64_t type;
  const char* name;
};
constexpr FileSystem kNetwork[] = {
    {NFS_SUPER_MAGIC, "NFS"},     {SMB_SUPER_MAGIC, "SMB"},   {SMB2_SUPER_MAGIC, "SMB"},
    {CIFS_SUPER_MAGIC, "CIFS"},   {FUSE_SUPER_MAGIC, "FUSE"}, {V9FS_MAGIC, "9p"},
    {AFS_SUPER_MAGIC, "AFS"},     {CEPH_SUPER_MAGIC, "Ceph"}, {CODA_SUPER_MAGIC, "Coda"},
    {OCFS2_SUPER_MAGIC, "OCFS2"}, {0x01161970, "GFS2"},       {0x0bd00bd0, "Lustre"},
};

}  // namespace

std::string lock_holder(LogFile& file, std::uint64_t offset) {
  std::string text;
  if (read_fully(file, text, kTextBytes, offset) <= 0) {
    return "another process";
  }
  text = text.substr(0, text.find('\n'));
  std::array<std::string, 4> words;
  std::size_t at = 0;
  for (std::string& word : words) {
    at = text.find_first_not_of(' ', at);
    if (at == std::string::npos) {
      return "another process";
    }
    const std::size_t end = std::min(text.find(' ', at), text.size());
    word = printable(text.substr(at, end - at));
    at = end;
  }
  return fmt::format("process {} on {}, since {} ({})", words[0], words[1], words[2], words[3]);
}

Result<LogLock> LogLock::take(LogFiles& files, std::unique_ptr<LogFile> file,
                              const std::string& name, std::uint64_t offset,
                              const std::string& what) {
  const int locked = uninterrupted([&] { return file->lock(LogFile::Lock::exclusive); });
  const Bug ignored = offset == 0 ? Bug::two_putters : Bug::two_takers;
  if (locked == -EWOULDBLOCK && !seeded(ignored)) {
    return Error{ErrorClass::again, fmt::format("{} by {}", what, lock_holder(*file, offset)), {}};
  }
  if (locked != 0 && locked != -EWOULDBLOCK) {
    return log_error(files, "lock", name, locked);
  }
  // The text is for people: a disk without room for it is not a reason to stop.
  (void)write_fully(*file, holder_text(files.now_ms()), offset);
  LogLock lock;
  lock.file_ = std::move(file);
  return lock;
}

Status check_file_system(LogFiles& files) {
  LogSpace space;
  if (const int asked = uninterrupted([&] { return files.space(space); }); asked != 0) {
    return log_error(files, "ask for the file system of", "", asked);
  }
  for (const FileSystem& one : kNetwork) {
    if (one.type == space.type) {
      return Error{ErrorClass::config,
                   fmt::format("'{}' is on a network file system ({})", files.path(), one.name),
                   "a log belongs on a local disk: its locks and syncs are not reliable elsewhere"};
    }
  }
  return {};
}

}  // namespace fl
