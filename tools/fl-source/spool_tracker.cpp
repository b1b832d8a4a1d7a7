#include "tools/fl-source/spool_tracker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::string_view kSchema =
    R"({"type":"record","name":"TransferStateFileMeta","namespace":"org.apache.flume.serialization",)"
    R"("fields":[{"name":"offset","type":"long"}]})";
constexpr const char* kTemporary = ".flumespool-main.meta.tmp";
constexpr std::size_t kRewriteBytes = 64 << 10;
constexpr std::size_t kTail = 64 << 10;

std::string record(std::uint64_t offset, const Marker& marker) {
  std::uint8_t value[kMaxVarint];
  const auto value_size =
      static_cast<std::size_t>(write_varint(value, static_cast<std::int64_t>(offset)) - value);
  std::uint8_t frame[2 * kMaxVarint];
  std::uint8_t* p = write_varint(frame, 1);
  p = write_varint(p, static_cast<std::int64_t>(value_size));
  std::string out(reinterpret_cast<const char*>(frame), static_cast<std::size_t>(p - frame));
  out.append(reinterpret_cast<const char*>(value), value_size);
  out.append(reinterpret_cast<const char*>(marker.data()), marker.size());
  return out;
}

std::string_view bytes_of(const Marker& marker) {
  return {reinterpret_cast<const char*>(marker.data()), marker.size()};
}

/// The last record of the whole blocks at the start of `bytes`.
std::optional<std::uint64_t> last_record(std::string_view bytes, const Marker& marker) {
  std::optional<std::uint64_t> last;
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto* const end = p + bytes.size();
  for (;;) {
    std::int64_t count = 0;
    std::int64_t size = 0;
    p = read_varint(p, end, count);
    p = p == nullptr ? nullptr : read_varint(p, end, size);
    if (p == nullptr || count <= 0 || size < 0 || size > end - p ||
        end - p - size < static_cast<std::ptrdiff_t>(marker.size()) ||
        !std::equal(marker.begin(), marker.end(), p + size)) {
      return last;
    }
    const std::uint8_t* const block_end = p + size;
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t offset = 0;
      p = read_varint(p, block_end, offset);
      if (p == nullptr || offset < 0) {
        return last;
      }
      last = static_cast<std::uint64_t>(offset);
    }
    p = block_end + marker.size();
  }
}

Result<std::string> read_at(int fd, std::size_t size, std::uint64_t offset,
                            const std::string& path) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return system_error(ErrorClass::io, "cannot read '" + path + "'", errno);
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::int64_t number_or(std::string_view text, std::int64_t otherwise) {
  const auto number = parse_count(text, INT64_MAX);
  return number ? static_cast<std::int64_t>(*number) : otherwise;
}

}  // namespace

Result<std::optional<SpoolMark>> SpoolTracker::load() {
  const std::string path = dir_.path_of(kFileName);
  const UniqueFd fd(::openat(dir_.fd(), kFileName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) {
      return std::optional<SpoolMark>();
    }
    return system_error("cannot open '" + path + "'", errno);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return system_error(ErrorClass::io, "cannot read '" + path + "'", errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorClass::config, "cannot use '" + path + "': it is not a regular file"};
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size == 0) {
    return std::optional<SpoolMark>();
  }
  const auto damaged = [&path](const std::string& why) {
    log(LogLevel::warning, "ignored the damaged tracker file '" + path + "': " + why +
                               "; the file that it names is read from its start");
    return std::optional<SpoolMark>();
  };
  auto head = read_at(fd.get(), std::min<std::uint64_t>(size, kMaxHeaderBytes), 0, path);
  if (!head) {
    return head.error();
  }
  ContainerHeader header;
  const auto header_size = parse_container_header(*head, header);
  if (!header_size) {
    return damaged(header_size.error().message);
  }
  if (*header_size == 0) {
    return damaged("its header is truncated");
  }
  const std::string_view codec = header.find("avro.codec");
  if ((!codec.empty() && codec != "null") || header.find("file").empty()) {
    return damaged("it is not a tracker");
  }
  SpoolMark mark;
  mark.file = header.find("file");
  mark.size = number_or(header.find("fl.size"), -1);
  mark.mtime_ns = number_or(header.find("fl.mtime"), -1);
  mark.text = header.find("fl.text");

  std::uint64_t begin = *header_size;
  const bool only_tail = size - begin > kTail;
  if (only_tail) {
    begin = size - kTail;
  }
  auto blocks = read_at(fd.get(), size - begin, begin, path);
  if (!blocks) {
    return blocks.error();
  }
  std::string_view rest = *blocks;
  if (only_tail) {
    const std::size_t at = rest.find(bytes_of(header.marker));
    if (at == std::string_view::npos) {
      return damaged("its last record is incomplete");
    }
    rest.remove_prefix(at + header.marker.size());
  }
  const auto offset = last_record(rest, header.marker);
  if (!offset) {
    return std::optional<SpoolMark>();
  }
  mark.offset = *offset;
  return std::optional<SpoolMark>(std::move(mark));
}

Status SpoolTracker::store(const SpoolMark& mark) {
  if (!fd_ || mark.file != file_ || mark.text != text_ || bytes_ >= kRewriteBytes) {
    return rewrite(mark);
  }
  const std::string bytes = record(mark.offset, marker_);
  int number = 0;
  if (write_some(fd_.get(), bytes, number) != bytes.size()) {
    fd_.reset();  // a record may be torn: nothing may follow it
    return system_error(ErrorClass::io, "cannot write '" + dir_.path_of(kFileName) + "'", number);
  }
  bytes_ += bytes.size();
  return {};
}

Status SpoolTracker::rewrite(const SpoolMark& mark) {
  fd_.reset();
  Status removed = dir_.remove(kTemporary);
  if (!removed) {
    return removed;
  }
  auto created = dir_.create_file(kTemporary);
  if (!created) {
    return created.error();
  }
  marker_ = random_marker();
  Metadata metadata = {{"avro.schema", std::string(kSchema)}, {"file", mark.file}};
  if (mark.size >= 0 && mark.mtime_ns >= 0) {
    metadata.emplace_back("fl.size", std::to_string(mark.size));
    metadata.emplace_back("fl.mtime", std::to_string(mark.mtime_ns));
  }
  if (!mark.text.empty()) {
    metadata.emplace_back("fl.text", mark.text);
  }
  const std::string bytes = container_header(metadata, marker_) + record(mark.offset, marker_);
  int number = 0;
  if (write_some(created->get(), bytes, number) != bytes.size() ||
      (::renameat(dir_.fd(), kTemporary, dir_.fd(), kFileName) != 0 && (number = errno) != 0)) {
    return system_error(ErrorClass::io, "cannot write '" + dir_.path_of(kFileName) + "'", number);
  }
  fd_ = std::move(*created);
  file_ = mark.file;
  text_ = mark.text;
  bytes_ = bytes.size();
  return {};
}

Status SpoolTracker::remove() {
  fd_.reset();
  return dir_.remove(kFileName);
}

Status SpoolTracker::sync() {
  if (fd_ && ::fdatasync(fd_.get()) != 0) {
    return system_error(ErrorClass::io, "cannot sync '" + dir_.path_of(kFileName) + "'", errno);
  }
  return dir_.sync();
}

}  // namespace fl
