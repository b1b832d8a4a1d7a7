#include "tools/fl-source/spool_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <tuple>

#include "common/base/log.h"
#include "tools/fl-source/spool_probe.h"

namespace fl {
namespace {

constexpr int kMaxDepth = 64;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

struct SpoolScan::Walk {
  const LocalDir& root;
  const std::function<bool(std::string_view)>& skip;
  const OnDirectory& on_directory;
  struct stat not_into {};
  std::vector<SpoolFile> files;
  bool more = false;
};

Result<SpoolScan> SpoolScan::make(Rules rules) {
  SpoolScan scan(std::move(rules));
  if (scan.rules_.include != Rules().include) {
    auto regex = Regex::compile(scan.rules_.include, Regex::Mode::full);
    if (!regex) {
      return regex.error();
    }
    scan.include_.emplace(std::move(*regex));
  }
  if (scan.rules_.ignore != Rules().ignore) {
    auto regex = Regex::compile(scan.rules_.ignore, Regex::Mode::full);
    if (!regex) {
      return regex.error();
    }
    scan.ignore_.emplace(std::move(*regex));
  }
  return scan;
}

Result<bool> SpoolScan::accepts(std::string_view name, bool directory) {
  if (name.starts_with('.')) {
    return false;
  }
  if (ignore_) {
    const Regex::Match match = ignore_->match(name);
    if (match == Regex::Match::failed) {
      return ignore_->error();
    }
    if (match == Regex::Match::yes) {
      return false;
    }
  }
  if (directory) {
    return true;
  }
  if (!rules_.suffix.empty() && name.ends_with(rules_.suffix)) {
    return false;
  }
  if (include_) {
    const Regex::Match match = include_->match(name);
    if (match == Regex::Match::failed) {
      return include_->error();
    }
    return match == Regex::Match::yes;
  }
  return true;
}

bool SpoolScan::before(const SpoolFile& a, const SpoolFile& b) const {
  if (a.mtime_ns != b.mtime_ns) {
    return rules_.order == "youngest" ? a.mtime_ns > b.mtime_ns : a.mtime_ns < b.mtime_ns;
  }
  return std::make_tuple(base_name(a.path), std::string_view(a.path)) <
         std::make_tuple(base_name(b.path), std::string_view(b.path));
}

void SpoolScan::sort(std::vector<SpoolFile>& files, std::size_t keep) const {
  if (rules_.order != "random") {
    std::sort(files.begin(), files.end(),
              [this](const SpoolFile& a, const SpoolFile& b) { return before(a, b); });
  }
  if (files.size() > keep) {
    files.resize(keep);
  }
}

Status SpoolScan::list_directory(int fd, const std::string& prefix, int depth, Walk& walk) {
  const std::string where = walk.root.path_of(prefix.empty() ? "." : prefix);
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDirectory> directory(own < 0 ? nullptr : ::fdopendir(own));
  if (directory == nullptr) {
    const int number = errno;
    if (own >= 0) {
      ::close(own);
    }
    return system_error("cannot read the directory '" + where + "'", number);
  }
  walk.on_directory(fd, prefix);
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0) {
        return system_error(ErrorClass::io, "cannot read the directory '" + where + "'", errno);
      }
      return {};
    }
    const std::string_view name = entry->d_name;
    struct stat info {};
    if (name.starts_with('.') || ::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;  // hidden, or gone again
    }
    const bool is_directory = S_ISDIR(info.st_mode);
    if (!S_ISREG(info.st_mode) && !(is_directory && rules_.recursive)) {
      continue;
    }
    const auto accepted = accepts(name, is_directory);
    if (!accepted) {
      return accepted.error();
    }
    if (!*accepted) {
      continue;
    }
    std::string path = prefix.empty() ? std::string(name) : prefix + "/" + std::string(name);
    if (is_directory) {
      if (info.st_dev == walk.not_into.st_dev && info.st_ino == walk.not_into.st_ino) {
        continue;
      }
      if (depth == kMaxDepth) {
        log(LogLevel::warning, "skipped '" + path + "': nested too deep");
        continue;
      }
      const UniqueFd child(
          ::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) {
        log(system_error("skipped the directory '" + path + "'", errno));
        continue;
      }
      Status status = list_directory(child.get(), path, depth + 1, walk);
      if (!status) {
        return status;
      }
    } else if (!walk.skip(path)) {
      walk.files.push_back({std::move(path), Identity::of(info).mtime_ns});
      if (walk.files.size() >= 2 * kMaxFiles) {
        walk.more = true;
        sort(walk.files, kMaxFiles);
      }
    }
  }
}

Result<std::vector<SpoolFile>> SpoolScan::list(const LocalDir& root, int not_into,
                                               const std::function<bool(std::string_view)>& skip,
                                               const OnDirectory& on_directory, bool& more) {
  Walk walk{root, skip, on_directory, {}, {}, false};
  if (not_into >= 0 && ::fstat(not_into, &walk.not_into) != 0) {
    return system_error(ErrorClass::io, "cannot read the tracker directory", errno);
  }
  const Status status = list_directory(root.fd(), "", 0, walk);
  if (!status) {
    return status.error();
  }
  more = walk.more || walk.files.size() > kMaxFiles;
  sort(walk.files, kMaxFiles);
  return std::move(walk.files);
}

Result<std::optional<SpoolFile>> SpoolScan::look(const LocalDir& root, std::string_view path) {
  const std::string name(base_name(path));
  const auto accepted = accepts(name, false);
  if (!accepted) {
    return accepted.error();
  }
  if (!*accepted) {
    return std::optional<SpoolFile>();
  }
  const auto directory = root.below(parent_of(path), LocalDir::Missing::fail);
  struct stat info {};
  if (!directory || ::fstatat(directory->fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(info.st_mode)) {
    return std::optional<SpoolFile>();  // gone again, or none of ours
  }
  return std::optional<SpoolFile>({std::string(path), Identity::of(info).mtime_ns});
}

std::deque<SpoolFile>::iterator SpoolScan::place(std::deque<SpoolFile>& files,
                                                 const SpoolFile& file) const {
  return rules_.order == "random"
             ? files.end()
             : std::upper_bound(
                   files.begin(), files.end(), file,
                   [this](const SpoolFile& a, const SpoolFile& b) { return before(a, b); });
}

}  // namespace fl
