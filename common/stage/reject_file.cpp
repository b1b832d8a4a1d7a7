#include "common/stage/reject_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/input_buffer.h"
#include "common/io/local_dir.h"
#include "common/io/poll_set.h"
#include "common/stage/open_out.h"

namespace fl {
namespace {

constexpr std::size_t kLongestReason = 1000;
constexpr std::int64_t kLockMs = 3000;
constexpr std::int64_t kLockLookMs = 2;
constexpr EventLimits kAny{64u << 20, 1u << 20, 1024, 64u << 10, 1u << 20};

void unlock(int fd) { (void)::flock(fd, LOCK_UN); }

}  // namespace

Status RejectFile::open(const std::string& path, const std::vector<std::string>& inputs) {
  path_ = path;
  inputs_ = inputs;
  return open_file();
}

Status RejectFile::open_file() {
  fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644));
  if (!fd_) {
    return system_error(ErrorClass::create, "cannot open '" + path_ + "' for rejected events",
                        errno);
  }
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error{
        ErrorClass::create, "'" + path_ + "' is not a regular file: rejected events need one", {}};
  }
  if (!check_not_input(fd_.get(), inputs_)) {
    return Error{ErrorClass::usage, "the file of --reject is also an input",
                 "rename it first, and read the renamed file"};
  }
  if (Status status = lock(); !status) {
    return status;
  }
  const Status found = find_end();
  unlock(fd_.get());
  if (!found) {
    return found;
  }
  const std::size_t slash = path_.find_last_of('/');
  const Result<LocalDir> parent = LocalDir::open(
      slash == std::string::npos ? "." : path_.substr(0, slash + 1), LocalDir::Missing::fail);
  return parent ? parent->sync() : Status(parent.error());
}

// Changes to the file that has the path now, if it must and all that was written is on disk.
Status RejectFile::follow_path() {
  const bool was_removed = is_removed(fd_.get());
  if (unsynced_ || worker_.busy() || (!was_removed && !must_reopen_)) {
    return {};
  }
  if (was_removed) {
    log(LogLevel::warning, "'" + path_ + "' was removed: continuing in a new file");
  }
  must_reopen_ = false;
  end_ = 0;
  others_.reset();
  return open_file();
}

// The others lock it for an append only.
Status RejectFile::lock() {
  const std::int64_t give_up = monotonic_ms() + kLockMs;
  while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return system_error(ErrorClass::io, "cannot lock '" + path_ + "'", errno);
    }
    if (monotonic_ms() >= give_up) {
      return Error{ErrorClass::again, "'" + path_ + "' is in use by another program",
                   "give --reject another file"};
    }
    PollSet set;
    set.wake_at(monotonic_ms() + kLockLookMs);
    set.wait();
  }
  return {};
}

// With the lock: what others have appended since we looked.
Status RejectFile::catch_up() {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) {
    return system_error(ErrorClass::io, "cannot stat '" + path_ + "'", errno);
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size == end_) {
    return {};
  }
  if (size < end_) {
    end_ = 0;  // somebody has emptied it
  }
  return find_end();
}

// With the lock: reads what follows the last place that is known to be whole; we go on where the
// last whole block ends.
Status RejectFile::find_end() {
  const std::uint64_t begin = end_;
  if (::lseek(fd_.get(), static_cast<off_t>(begin), SEEK_SET) < 0) {
    return system_error(ErrorClass::io, "cannot read '" + path_ + "'", errno);
  }
  if (!others_) {
    others_ = std::make_unique<StreamReader>(kAny);
  }
  InputBuffer buffer;
  StreamReader& reader = *others_;
  std::uint64_t read = begin;
  for (bool eof = false; !eof;) {
    const std::ptrdiff_t n = buffer.read(fd_.get(), reader.bytes_wanted());
    if (n < 0) {
      return system_error(ErrorClass::io, "cannot read '" + path_ + "'", static_cast<int>(-n));
    }
    read += static_cast<std::uint64_t>(n);
    eof = n == 0;
    for (;;) {
      const Result<StreamReader::Item> item = reader.next(buffer, false);
      if (!item) {
        return Error{ErrorClass::create,
                     "'" + path_ +
                         "' contains something other than rejected events: " + item.error().message,
                     "give --reject another file"};
      }
      if (*item == StreamReader::Item::need_more || *item == StreamReader::Item::end) {
        break;
      }
      end_ = read - buffer.size();
    }
  }
  if (end_ != read) {
    // A whole file that is only a beginning may be somebody's text.
    if (end_ == 0 && buffer.view().substr(0, kMagic.size()) !=
                         kMagic.substr(0, std::min(kMagic.size(), buffer.size()))) {
      return Error{ErrorClass::create,
                   "'" + path_ + "' contains something other than rejected events",
                   "give --reject another file"};
    }
    log(LogLevel::warning, "'" + path_ + "' ends in the middle of an event, which was never " +
                               "acknowledged: " + std::to_string(read - end_) + " bytes cut off");
    if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) {
      return system_error(ErrorClass::io, "cannot cut '" + path_ + "'", errno);
    }
  }
  return {};
}

Status RejectFile::append(std::string_view bytes) {
  int number = 0;
  if (write_some(fd_.get(), bytes, number) != bytes.size()) {
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(end_));  // no half block stays behind
    return system_error(ErrorClass::io, "cannot keep a rejected event in '" + path_ + "'", number);
  }
  end_ += bytes.size();
  unsynced_ = true;
  return {};
}

Status RejectFile::reject(const Event& event, const Error& why) {
  if (why.kind != ErrorClass::input) {
    return why;
  }
  if (!fd_) {
    if (why.hint.find("--reject FILE") != std::string::npos) {
      return why;
    }
    return Error{why.kind, why.message,
                 why.hint + (why.hint.empty() ? "" : "; ") +
                     "--reject FILE keeps such events and continues"};
  }
  if (Status status = follow_path(); !status) {
    return status;
  }
  if (Status status = lock(); !status) {
    return status;
  }
  const Status appended = append_event_block(event, why);
  unlock(fd_.get());
  if (appended && ++count_ == 1) {
    log(LogLevel::warning, "an event is rejected and kept in '" + path_ + "': " + why.message);
  }
  return appended;
}

Status RejectFile::append_event_block(const Event& event, const Error& why) {
  if (Status status = catch_up(); !status) {
    return status;
  }
  if (others_) {
    marker_ = random_marker();
    if (Status status = append(container_header(event_metadata(), marker_)); !status) {
      return status;
    }
    others_.reset();
  }
  Headers headers = headers_of(event);
  std::erase_if(headers, [](const auto& header) {
    return header.first == kReason || header.first == kStage;
  });
  Headers reasons = headers;
  reasons.emplace_back(kReason,
                       utf8_escaped(std::string_view(why.message).substr(0, kLongestReason)));
  reasons.emplace_back(kStage, stage_);
  encoded_.clear();
  append_event(encoded_, reasons, event.body());
  Event whole;
  const char* reason = nullptr;
  const auto* const data = reinterpret_cast<const std::uint8_t*>(encoded_.data());
  EventLimits limits;
  limits.body_bytes = UINT32_MAX;
  if (scan_event(data, data + encoded_.size(), limits, whole, reason) == nullptr) {
    // An event that is full of headers has no room for the reason: it is kept as it was.
    encoded_.clear();
    append_event(encoded_, headers, event.body());
    log(LogLevel::warning, "an event without room for its reason is kept: " + why.message);
  }
  builder_.clear();
  builder_.add_encoded({}, encoded_);
  Block block = builder_.block();
  return append(frame_block(block, marker_));
}

Result<bool> RejectFile::synced() {
  if (worker_.busy()) {
    const std::optional<Status> result = worker_.take();
    if (!result) {
      return false;
    }
    if (!*result) {
      sync_error_ = result->error();
    }
  }
  if (sync_error_) {
    return *sync_error_;  // never tried again: a second sync would succeed and lie
  }
  if (!std::exchange(unsynced_, false)) {
    return true;
  }
  worker_.start([fd = fd_.get(), path = path_]() -> Status {
    if (::fdatasync(fd) != 0) {
      return system_error(ErrorClass::io, "cannot sync '" + path + "'", errno);
    }
    if (is_removed(fd)) {
      return Error{ErrorClass::io, "'" + path + "' was removed before an event in it was safe",
                   "run again: the event was not acknowledged and comes again"};
    }
    return {};
  });
  return false;
}

}  // namespace fl
