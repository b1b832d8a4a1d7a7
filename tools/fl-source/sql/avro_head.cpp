#include "tools/fl-source/sql/avro_head.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/base/log.h"
#include "common/base/random.h"
#include "common/base/unique_fd.h"
#include "common/io/local_dir.h"
#include "tools/fl-source/sql/fingerprint.h"

namespace fl {
namespace {

constexpr std::size_t kMaxFile = 256 << 10;  // what fl-sink hdfs reads of one

// The first bytes of a file, one more than `size` at most; nothing: there is none.
Result<std::optional<std::string>> contents(const LocalDir& dir, const std::string& name,
                                            std::size_t size) {
  const UniqueFd file(
      ::openat(dir.fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    return errno == ENOENT
               ? Result<std::optional<std::string>>(std::nullopt)
               : system_error("cannot open '" + printable(dir.path_of(name)) + "'", errno);
  }
  std::string text(size + 1, '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t n = ::read(file.get(), text.data() + got, text.size() - got);
    if (n < 0 && errno != EINTR) {
      return system_error(ErrorClass::io, "cannot read '" + printable(dir.path_of(name)) + "'",
                          errno);
    }
    if (n == 0) {
      break;
    }
    got += static_cast<std::size_t>(n < 0 ? 0 : n);
  }
  text.resize(got);
  return std::optional(std::move(text));
}

// A new file `name`; no harm if another run makes the same one meanwhile.
Status write_file(const LocalDir& dir, const std::string& name, const std::string& text) {
  const std::string fresh = name + "." + random_hex(4) + ".new";
  const Result<UniqueFd> file = dir.create_file(fresh);
  if (!file) {
    return file.error();
  }
  int number = 0;
  Status status;
  if (write_some(file->get(), text, number) != text.size()) {
    status = system_error(ErrorClass::io, "cannot write '" + printable(dir.path_of(fresh)) + "'",
                          number);
  } else if (::fsync(file->get()) != 0) {
    status =
        system_error(ErrorClass::io, "cannot sync '" + printable(dir.path_of(fresh)) + "'", errno);
  } else {
    const Result<bool> renamed = dir.rename(fresh, name);
    if (renamed && *renamed) {
      return dir.sync();
    }
    status = renamed ? Status() : Status(renamed.error());
  }
  (void)dir.remove(fresh);
  return status;
}

Status store(const LocalDir& dir, const std::string& name, const std::string& text) {
  // Twice: another run may make the file between the look and the rename.
  for (int tries = 0; tries < 2; ++tries) {
    const auto found = contents(dir, name, text.size());
    if (!found) {
      return found.error();
    }
    if (*found) {
      return **found == text
                 ? Status()
                 : Status(
                       Error{ErrorClass::config,
                             fmt::format("'{}' holds something else than the schema of that name",
                                         printable(dir.path_of(name))),
                             "remove it"});
    }
    if (Status status = write_file(dir, name, text); !status) {
      return status;
    }
  }
  return {};
}

Result<std::string> url_of(const LocalDir& dir, const std::string& name) {
  const std::string path = dir.path_of(name);
  if (path.starts_with('/')) {
    return "file://" + path;
  }
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) {
    return system_error("cannot find the working directory", error.value());
  }
  return "file://" + (here / path).lexically_normal().string();
}

}  // namespace

Result<std::string> avro_head(const AvroRow& row, const std::string& directory,
                              const EventLimits& limits, bool is_trial) {
  Headers headers;
  if (directory.empty()) {
    headers = {{"flume.avro.schema.literal", row.schema()}};
  } else {
    const Result<LocalDir> dir = LocalDir::open(directory, LocalDir::Missing::fail);
    if (!dir) {
      return dir.error();
    }
    if (row.schema().size() > kMaxFile) {
      return Error{ErrorClass::config,
                   fmt::format("the Avro schema of {} has {} bytes, and a file may have {}",
                               printable(row.name()), row.schema().size(), kMaxFile),
                   "name fewer columns with --query"};
    }
    const std::string name = fmt::format("{}-{:016x}.avsc", row.name(), fingerprint(row.schema()));
    const Result<std::string> url = url_of(*dir, name);
    if (!url) {
      return url.error();
    }
    if (Status status = is_trial ? Status() : store(*dir, name, row.schema()); !status) {
      return status.error();
    }
    headers = {{"flume.avro.schema.url", *url}};
  }
  if (const std::size_t size = headers.front().second.size(); size > limits.value_bytes) {
    return directory.empty()
               ? Error{ErrorClass::config,
                       fmt::format("the Avro schema of {} has {} bytes, and a header may have {}",
                                   printable(row.name()), size, limits.value_bytes),
                       "put it into a file with --schema-dir DIR, or name fewer columns with "
                       "--query"}
               : Error{ErrorClass::config,
                       fmt::format("the path of --schema-dir is too long for a header ({} bytes)",
                                   limits.value_bytes),
                       "name a directory with a shorter path"};
  }
  std::string map;
  append_map(map, headers);
  return map;
}

}  // namespace fl
