#include "tools/fl-channel/import_flume/flume_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/base/text.h"
#include "tools/fl-channel/import_flume/directories.h"

namespace fl::flume {
namespace {

constexpr std::size_t kOpenFiles = 16;
constexpr std::uint64_t kShown = 20;
/// The largest event that any stage takes, its headers and some room.
constexpr std::uint64_t kMaxPayload = 96ull << 20;

EventLimits no_limits() {
  EventLimits limits;
  limits.body_bytes = kMaxPayload;
  limits.header_bytes = kMaxPayload;
  limits.headers = UINT32_MAX;
  limits.name_bytes = kMaxPayload;
  limits.value_bytes = kMaxPayload;
  return limits;
}

const std::uint8_t* data_of(const std::string& bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace

void FlumeSource::complain(std::string text) {
  ++complaints_;
  if (complaints_ <= kShown) {
    log(LogLevel::warning, text);
  } else if (complaints_ == kShown + 1) {
    log(LogLevel::warning, "there is more like this, which is only counted");
  }
}

Status FlumeSource::open(const StageContext& context) {
  limits_ = context.limits;
  rejects_ = context.rejects;
  const auto complaint = [this](std::string text) { complain(std::move(text)); };
  if (Status loaded = load_checksum(); !loaded) {
    return loaded;
  }
  for (const std::string& directory : options_.directories) {
    Result<UniqueFd> lock = lock_directory(directory);
    if (!lock) {
      return lock.error();
    }
    locks_.push_back(std::move(*lock));
  }
  Result<std::vector<FoundFiles>> found = find_files(options_.directories, complaint);
  if (!found) {
    return found.error();
  }
  for (const FoundFiles& files : *found) {
    for (const FoundFile& file : files) {
      paths_.emplace(file.number, file.path);
    }
  }
  std::optional<Checkpoint> checkpoint;
  if (!options_.checkpoint.empty()) {
    Result<UniqueFd> lock = lock_directory(options_.checkpoint);
    if (!lock) {
      return lock.error();
    }
    locks_.push_back(std::move(*lock));
    Result<Checkpoint> read = read_checkpoint(options_.checkpoint, options_.capacity);
    if (read) {
      checkpoint = std::move(*read);
    } else if (read.error().kind == ErrorClass::input) {
      // As Flume does after a crash.
      log(LogLevel::warning, read.error().message + "; all data files are read instead");
    } else {
      return read.error();
    }
  }
  // Open transactions count, too.
  replay_.emplace(std::move(*found), std::move(checkpoint), 2 * options_.capacity, complaint);
  return {};
}

Result<FileWindow*> FlumeSource::window_of(std::uint32_t file) {
  for (auto at = windows_.begin(); at != windows_.end(); ++at) {
    if (at->first == file) {
      windows_.splice(windows_.begin(), windows_, at);
      return &windows_.front().second;
    }
  }
  const auto path = paths_.find(file);
  if (path == paths_.end()) {
    return static_cast<FileWindow*>(nullptr);
  }
  Result<FileWindow> window = FileWindow::open(path->second);
  if (!window) {
    return window.error();
  }
  if (windows_.size() == kOpenFiles) {
    windows_.pop_back();
  }
  windows_.emplace_front(file, std::move(*window));
  return &windows_.front().second;
}

Result<bool> FlumeSource::read_event(Pointer pointer) {
  const Result<FileWindow*> window = window_of(file_of(pointer));
  if (!window) {
    return window.error();
  }
  std::string why;
  if (*window == nullptr) {
    why = "that file is in none of the directories";
  } else {
    const Result<std::string_view> payload = payload_at(**window, pointer, kMaxPayload, why);
    if (!payload) {
      return payload.error();
    }
    event_.clear();
    why = why.empty() ? decode_event(*payload, headers_, event_) : why;
  }
  if (!why.empty()) {
    event_.clear();
    ++lost_;
    complain(fmt::format("the event at {} of log-{} is lost: {}", offset_of(pointer),
                         file_of(pointer), why));
    return false;
  }
  Event event;
  const char* reason = nullptr;
  if (scan_event(data_of(event_), data_of(event_) + event_.size(), limits_, event, reason) !=
      nullptr) {
    return true;
  }
  const Error refused{
      ErrorClass::input,
      fmt::format("the event at {} of log-{}: {}", offset_of(pointer), file_of(pointer), reason),
      "--max-event raises the limit of bodies; --reject keeps such an event"};
  static const EventLimits kWide = no_limits();
  if (rejects_ == nullptr || scan_event(data_of(event_), data_of(event_) + event_.size(), kWide,
                                        event, reason) == nullptr) {
    return refused;
  }
  Status rejected = rejects_->reject(event, refused);
  event_.clear();
  return rejected ? Result<bool>(false) : Result<bool>(rejected.error());
}

Result<Source::State> FlumeSource::produce(BlockBuilder& out) {
  if (replay_) {
    const Result<bool> more = replay_->step();
    if (!more) {
      return more.error();
    }
    if (!*more) {
      events_ = replay_->events();
      if (replay_->uncommitted() > 0) {
        log(LogLevel::info, count_of(replay_->uncommitted(), "event") +
                                " of transactions that were never committed are left out");
      }
      replay_.reset();
    }
    return State::more;
  }
  while (next_ < events_.size()) {
    if (event_.empty()) {
      const Result<bool> read = read_event(events_[next_]);
      if (!read) {
        return read.error();
      }
      if (!*read) {
        ++next_;
        continue;
      }
    }
    if (!out.fits(event_.size())) {
      return State::more;
    }
    out.add_encoded({}, event_);
    event_.clear();
    ++next_;
    ++produced_;
  }
  return State::end;
}

Status FlumeSource::close() {
  if (complaints_ == 0) {
    return {};
  }
  return Error{ErrorClass::input,
               fmt::format("the channel is damaged in {}, {} lost", count_of(complaints_, "place"),
                           count_of(lost_, "event")),
               "see the warnings; what is there was delivered"};
}

std::string FlumeSource::summary() const {
  return fmt::format("{}, {}", count_of(paths_.size(), "data file"), count_of(produced_, "event"));
}

}  // namespace fl::flume
