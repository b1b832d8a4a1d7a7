#include "tools/fl-channel/import_flume/directories.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "common/base/log.h"
#include "common/io/writers.h"

namespace fl::flume {
namespace {

constexpr std::uint64_t kMaxMetaBytes = 1 << 20;

bool is_data_file(std::string_view name) {
  return name.starts_with("log-") && name.size() > 4 &&
         name.find_first_not_of("0123456789", 4) == std::string_view::npos;
}

// All of its names log-N, whatever they are. As in Flume a symbolic link is what it leads to.
Result<std::vector<std::string>> names_in(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  if (!stream) {
    return system_error("cannot open the directory '" + directory + "'", errno);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (is_data_file(entry->d_name)) {
      names.emplace_back(entry->d_name);
    }
    errno = 0;
  }
  if (errno != 0) {
    return system_error("cannot list the directory '" + directory + "'", errno);
  }
  return names;
}

// What is not read must not look like an empty channel: its directories are removed after a 0.
Status check_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const int number = errno;
    return number == ENOENT || number == ELOOP
               ? system_error(ErrorClass::input, "cannot open '" + path + "'", number)
               : system_error("cannot open '" + path + "'", number);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorClass::input, "'" + path + "' is not a regular file",
                 "data files of Flume are regular files, or links to them: put it elsewhere if it "
                 "is none"};
  }
  return {};
}

Error in_use(const std::string& directory, const std::string& by) {
  return {ErrorClass::again, fmt::format("'{}' is in use{}", directory, by),
          "stop the Flume agent first"};
}

// The file's .meta, or what Flume takes for it after a crash. Nothing: there is none.
std::optional<FileWindow> open_meta(const std::string& path) {
  for (const char* const ending : {".meta", ".meta.old", ".meta.tmp"}) {
    Result<FileWindow> window = FileWindow::open(path + ending);
    if (window && window->size() > 0) {
      return std::move(*window);
    }
  }
  return std::nullopt;
}

// Sets file.meta.
Status read_meta(FoundFile& file, const Complaint& complain) {
  std::optional<FileWindow> window = open_meta(file.path);
  if (!window) {
    struct stat info {};
    if (::stat(file.path.c_str(), &info) != 0 || info.st_size > 0) {
      complain("'" + file.path + "' has no .meta: all of it is read, as if it were not encrypted");
    }
    return {};
  }
  const std::string& path = window->path();
  const Result<std::string_view> bytes =
      window->at(0, static_cast<std::size_t>(std::min(window->size(), kMaxMetaBytes)));
  if (!bytes) {
    return bytes.error();
  }
  const Result<FileMeta> meta = decode_file_meta(*bytes);
  if (!meta) {
    return Error{ErrorClass::input, "'" + path + "' " + meta.error().message};
  }
  if (meta->is_encrypted) {
    return Error{
        ErrorClass::input,
        fmt::format("'{}' is encrypted with the key '{}'", file.path, printable(meta->encryption)),
        "encrypted channels cannot be imported: let Flume drain it"};
  }
  file.meta = *meta;
  return {};
}

}  // namespace

Result<UniqueFd> lock_directory(const std::string& directory) {
  const std::string path = directory + "/in_use.lock";
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    // Flume removes it when it ends in order.
    return errno == ENOENT || errno == ENOTDIR ? Result<UniqueFd>(UniqueFd())
                                               : system_error("cannot open '" + path + "'", errno);
  }
  // As Java's FileChannel.tryLock() does.
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &lock) == 0) {
    return fd;
  }
  const int number = errno;
  if (number != EAGAIN && number != EACCES) {
    return system_error("cannot lock '" + path + "'", number);
  }
  lock.l_type = F_RDLCK;
  const bool knows = ::fcntl(fd.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  return in_use(directory, knows ? fmt::format(" by process {}", lock.l_pid) : "");
}

Result<std::vector<FoundFiles>> find_files(const std::vector<std::string>& directories,
                                           const Complaint& complain) {
  std::vector<FoundFiles> found;
  std::map<std::uint32_t, std::string> by_number;
  for (const std::string& directory : directories) {
    const Result<std::vector<std::string>> names = names_in(directory);
    if (!names) {
      return names.error();
    }
    FoundFiles& files = found.emplace_back();
    for (const std::string& name : *names) {
      FoundFile file;
      file.path = directory + "/" + name;
      if (Status fits = check_file(file.path); !fits) {
        return fits.error();
      }
      const std::optional<std::uint32_t> number = file_number(name);
      if (!number) {
        return Error{ErrorClass::input, "'" + file.path + "' has a number that Flume does not give",
                     "put it elsewhere if it is not a data file of Flume"};
      }
      file.number = *number;
      const auto [other, is_new] = by_number.emplace(file.number, file.path);
      if (!is_new) {
        return Error{ErrorClass::input,
                     fmt::format("'{}' and '{}' have the same number", other->second, file.path),
                     "give each data directory of one channel, once"};
      }
      const UniqueFd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
      if (fd && find_writers(fd.get()) == Writers::some) {
        return in_use(directory, ": '" + name + "' is open for writing");
      }
      if (Status read = read_meta(file, complain); !read) {
        return read.error();
      }
      files.push_back(std::move(file));
    }
    if (files.empty()) {
      const bool is_checkpoint = ::access((directory + "/checkpoint.meta").c_str(), F_OK) == 0;
      return Error{ErrorClass::input, "'" + directory + "' has no data file of Flume (log-N)",
                   is_checkpoint ? "a checkpoint directory is given as --checkpoint-dir" : ""};
    }
    std::sort(files.begin(), files.end(), [](const FoundFile& one, const FoundFile& other) {
      return one.number < other.number;
    });
  }
  return found;
}

}  // namespace fl::flume
