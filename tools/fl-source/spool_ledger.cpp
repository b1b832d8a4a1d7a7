#include "tools/fl-source/spool_ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "common/base/log.h"

namespace fl {
namespace {

constexpr const char* kTemporary = ".flumespool-delivered.tmp";
constexpr std::size_t kCompactBytes = 1 << 20;
constexpr std::size_t kMaxBytes = 64 << 20;

// Blanks and what would break a line as %XX.
std::string escaped(std::string_view path) {
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '%') {
      std::array<char, 4> code{};
      std::snprintf(code.data(), code.size(), "%%%02X", byte);
      text += code.data();
    } else {
      text += c;
    }
  }
  return text;
}

int hex(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string unescaped(std::string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      path += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      path += text[i];
    }
  }
  return path;
}

std::string line_of(char kind, std::string_view path, const Identity& identity) {
  return std::string(1, kind) + " " + std::to_string(identity.inode) + " " +
         std::to_string(identity.size) + " " + std::to_string(identity.mtime_ns) + " " +
         escaped(path) + "\n";
}

}  // namespace

Status SpoolLedger::load() {
  const std::string path = dir_.path_of(kFileName);
  const UniqueFd fd(::openat(dir_.fd(), kFileName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    return errno == ENOENT ? Status() : Status(system_error("cannot open '" + path + "'", errno));
  }
  exists_ = true;
  std::string text;
  std::array<char, 64 << 10> buffer;
  while (text.size() < kMaxBytes) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return system_error(ErrorClass::io, "cannot read '" + path + "'", errno);
    }
    if (n == 0) {
      break;
    }
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  std::string_view rest = text;
  for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos;
       rest.remove_prefix(end + 1)) {
    const std::string line(rest.substr(0, end));
    char kind = 0;
    unsigned long long inode = 0;
    long long size = 0;
    long long mtime_ns = 0;
    int at = 0;
    if (std::sscanf(line.c_str(), "%c %llu %lld %lld %n", &kind, &inode, &size, &mtime_ns, &at) !=
            4 ||
        at == 0 || static_cast<std::size_t>(at) >= line.size()) {
      continue;
    }
    std::string file = unescaped(std::string_view(line).substr(static_cast<std::size_t>(at)));
    const Identity identity{0, inode, size, mtime_ns};
    if (kind == 'U') {
      unsettled_[std::move(file)] = identity;
    } else if (kind == 'F') {
      unsettled_.erase(file);
    } else if (kind == 'S') {
      settled_.push_back({std::move(file), identity});
      if (settled_.size() > kMaxSettled) {
        settled_.pop_front();
      }
    }
  }
  bytes_ = text.size();
  changed_ = !rest.empty();
  return save();  // nothing may follow a torn line
}

Status SpoolLedger::append(char kind, std::string_view path, const Identity& identity) {
  changed_ = true;
  if (bytes_ >= kCompactBytes && bytes_ >= 512 * (unsettled_.size() + settled_.size())) {
    return save();
  }
  if (!fd_) {
    fd_.reset(::openat(dir_.fd(), kFileName,
                       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666));
    if (!fd_) {
      return system_error("cannot open '" + dir_.path_of(kFileName) + "'", errno);
    }
    exists_ = true;
  }
  const std::string line = line_of(kind, path, identity);
  int number = 0;
  const std::size_t written = write_some(fd_.get(), line, number);
  bytes_ += written;
  if (written != line.size()) {
    return system_error(ErrorClass::io, "cannot write '" + dir_.path_of(kFileName) + "'", number);
  }
  return {};
}

const Identity* SpoolLedger::unsettled(std::string_view path) const {
  if (unsettled_.empty()) {
    return nullptr;
  }
  const auto found = unsettled_.find(std::string(path));
  return found == unsettled_.end() ? nullptr : &found->second;
}

Status SpoolLedger::add_unsettled(const std::string& path, const Identity& identity) {
  unsettled_[path] = identity;
  return append('U', path, identity);
}

Status SpoolLedger::remove_unsettled(const std::string& path) {
  unsettled_.erase(path);
  return append('F', path, {});
}

Result<std::optional<SpoolLedger::Record>> SpoolLedger::add_settled(const std::string& path,
                                                                    const Identity& identity) {
  settled_.push_back({path, identity});
  std::optional<Record> oldest;
  if (settled_.size() > kMaxSettled) {
    oldest = std::move(settled_.front());
    settled_.pop_front();
  }
  if (Status status = append('S', path, identity); !status) {
    return status.error();
  }
  return oldest;
}

std::optional<SpoolLedger::Record> SpoolLedger::take_settled(std::string_view path) {
  const auto found = std::find_if(settled_.rbegin(), settled_.rend(),
                                  [path](const Record& record) { return record.path == path; });
  if (found == settled_.rend()) {
    return std::nullopt;
  }
  Record record = std::move(*found);
  settled_.erase(std::next(found).base());
  changed_ = true;
  return record;
}

void SpoolLedger::remove_settled(const std::function<bool(const Record&)>& is_done) {
  changed_ = std::erase_if(settled_, is_done) != 0 || changed_;
}

Status SpoolLedger::save() {
  if (!changed_) {
    return {};
  }
  fd_.reset();
  if (unsettled_.empty() && settled_.empty()) {
    bytes_ = 0;
    changed_ = false;
    return std::exchange(exists_, false) ? dir_.remove(kFileName) : Status();
  }
  if (Status status = dir_.remove(kTemporary); !status) {
    return status;
  }
  auto created = dir_.create_file(kTemporary);
  if (!created) {
    return created.error();
  }
  std::string text;
  for (const auto& [path, identity] : unsettled_) {
    text += line_of('U', path, identity);
  }
  for (const Record& record : settled_) {
    text += line_of('S', record.path, record.identity);
  }
  int number = 0;
  if (write_some(created->get(), text, number) != text.size() ||
      (::fdatasync(created->get()) != 0 && (number = errno) != 0) ||
      (::renameat(dir_.fd(), kTemporary, dir_.fd(), kFileName) != 0 && (number = errno) != 0)) {
    return system_error(ErrorClass::io, "cannot write '" + dir_.path_of(kFileName) + "'", number);
  }
  exists_ = true;
  bytes_ = text.size();
  changed_ = false;
  return {};
}

}  // namespace fl
