#include "tools/fl-channel/file/file_put.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/dir_probe.h"
#include "common/io/poll_set.h"
#include "tools/fl-channel/file/group_figures.h"

namespace fl {
namespace {

constexpr std::uint64_t kUnsyncedBytes = 32 << 20;  // more waits for the sync that runs
// More than kFlowBytes while a sync runs is a flow. Then the next sync begins when there is enough
// for it, or after a moment: each has its price, whatever its size.
constexpr std::uint64_t kFlowBytes = 512 << 10;
constexpr std::uint64_t kGatherBytes = 2 << 20;
constexpr std::int64_t kGatherMs = 2;
constexpr std::uint64_t kSpaceEvery = 64 << 10;  // bytes between two checks of the file system
constexpr std::uint64_t kSpaceAtMost = 4 << 20;  // the same while much is free
constexpr std::int64_t kLookMs = 1'000;          // between two checks of the groups
constexpr std::int64_t kLastLookMs = 32'000;     // the same while nothing is put
constexpr std::int64_t kLookWhenFullMs = 100;
constexpr std::int64_t kRateMs = 1'000;   // of syncs are counted at least for so long
constexpr std::int64_t kStuckMs = 1'000;  // a limit that lasts longer is reported
constexpr std::int64_t kFirstRetryMs = 100;
constexpr std::int64_t kLastRetryMs = 2'000;
constexpr std::uint64_t kSmallestSegment = 64 << 10;
constexpr std::uint64_t kSmallestCapacity = 2 * kSegmentHeaderBytes;

}  // namespace

Status FilePut::open(const StageContext& context) {
  is_dry_run_ = context.dry_run;
  if (Status fits = check_halves(options_); !fits) {
    return fits;
  }
  const Result<Retain> retain = parse_retain(options_.retain);
  if (!retain) {
    return retain.error();
  }
  retain_ = *retain;
  const Result<std::optional<LogModes>> mode = parse_mode(options_.mode);
  if (!mode) {
    return mode.error();
  }
  if (options_.segment_size.value < kSmallestSegment) {
    return Error{ErrorClass::usage, "--segment-size is less than 64KiB", {}};
  }
  if (const std::uint64_t most = options_.byte_capacity.value;
      most != 0 && most < kSmallestCapacity) {
    return Error{ErrorClass::usage, "--byte-capacity is less than 8KiB",
                 "a log without events has 4KiB; 0 sets no limit"};
  }
  if (is_dry_run_ && access(directory_.c_str(), F_OK) != 0) {
    return check_dir_can_be_made(directory_);
  }
  Result<std::unique_ptr<LogFiles>> files =
      open_log_files(directory_, !is_dry_run_, mode->value_or(LogModes{}));
  if (!files) {
    return files.error();
  }
  LogSpace space;
  if ((*files)->space(space) == 0 && space.total_bytes != 0 &&
      options_.reserve.value >= space.total_bytes) {
    return Error{
        ErrorClass::config,
        fmt::format("the file system of '{}' has {}, not more than --reserve ({})", directory_,
                    to_string(Bytes{space.total_bytes}), to_string(options_.reserve)),
        "there would never be room: give a smaller --reserve, or use another file system"};
  }
  if (is_dry_run_) {
    return {};
  }
  files_ = std::move(*files);
  if (Status opened = worker_.open(); !opened) {
    return opened;
  }
  return open_log();
}

// A full disk is waited for: the take half can make room meanwhile.
Status FilePut::open_log() {
  LogWriter::Settings settings;
  settings.segment_bytes = options_.segment_size.value;
  settings.codec = options_.log_codec == "zstd" ? PayloadCodec::zstd : PayloadCodec::none;
  if (const std::uint64_t most = options_.byte_capacity.value; most != 0) {
    // Only whole segments are dropped, so a small limit has small ones.
    const std::uint64_t least = drops_oldest() ? kSegmentHeaderBytes : kSmallestSegment;
    settings.segment_bytes =
        std::min(settings.segment_bytes, std::max<std::uint64_t>(least, most / 4));
  }
  if (drops_oldest() && options_.capacity != 0) {
    settings.segment_events = std::max<std::uint64_t>(1, options_.capacity / 4);
  }
  bool full = false;
  Result<std::unique_ptr<LogWriter>> writer = LogWriter::open(*files_, settings, full);
  if (!writer && full) {
    become(Full::disk);
    return {};
  }
  if (!writer) {
    return writer.error();
  }
  become(Full::no);
  writer_ = std::move(*writer);
  base_ = writer_->next_sequence();
  if (!table_.read(writer_->positions())) {
    log(LogLevel::warning, fmt::format("'{}': the positions of the sources are damaged: a source "
                                       "begins where its own record says",
                                       files_->path()));
  }
  use_.needed = use_.first = writer_->segments().front();
  ++shared_->published;
  const bool has_limit = options_.capacity != 0 || options_.byte_capacity.value != 0;
  look_at_ms_ = monotonic_ms() + (has_limit ? 0 : kLookMs);
  return {};
}

void FilePut::watch(PollSet& set, bool) { worker_.watch(set); }

std::int64_t FilePut::deadline_ms() const {
  std::int64_t at = retry_at_ms_;
  if (gather_until_ms_ >= 0 && !worker_.busy() && (at < 0 || gather_until_ms_ < at)) {
    at = gather_until_ms_;
  }
  if (look_at_ms_ >= 0 && !worker_.busy() && (at < 0 || look_at_ms_ < at)) {
    at = look_at_ms_;
  }
  return at;
}

Status FilePut::handle(const PollSet&) {
  if (Status done = finish_job(); !done) {
    return done;
  }
  const std::int64_t now = monotonic_ms();
  if (retry_at_ms_ >= 0 && now >= retry_at_ms_) {
    retry_at_ms_ = -1;
    if (!writer_) {
      if (Status opened = open_log(); !opened) {
        return opened;
      }
    } else if (has_pending()) {
      if (Status appended = append_pending(); !appended) {
        return appended;
      }
    } else {
      become(space_reached());
    }
  }
  if (writer_ && !worker_.busy()) {
    if (table_changed_ && !has_pending() && full_ == Full::no) {
      return append_positions();  // there was no room for them
    }
    if ((writer_->has_unsynced() && !gathers()) || wants_roll_) {
      return start_sync();
    }
    if (look_at_ms_ >= 0 && now >= look_at_ms_) {
      start_freeing(limit_reached() != Full::no && drops_oldest());
    }
  }
  return {};
}

bool FilePut::ready() const {
  return writer_ && !has_pending() && full_ != Full::disk && full_ != Full::reserve &&
         limit_reached() == Full::no && writer_->unsynced_bytes() < kUnsyncedBytes &&
         !(sync_.rolls && job_ == Job::sync);
}

Status FilePut::put(const Block& block) {
  const Result<LogWriter::Append> done = append(block);
  if (!done) {
    return done.error();
  }
  if (*done != LogWriter::Append::done) {
    pending_.assign(reinterpret_cast<const char*>(block.data), block.size);
    pending_count_ = block.count;
  }
  return after_append(*done);
}

// With the positions that it reaches.
Result<LogWriter::Append> FilePut::append(const Block& block) {
  take_positions(block.count);
  Result<LogWriter::Append> done =
      writer_->append(block, table_changed_ ? table_.text() : std::string());
  if (done && *done == LogWriter::Append::done) {
    table_changed_ = false;
    appended_bytes_ += block.size;
  }
  return done;
}

// Those that the events in the log and `more` reach.
void FilePut::take_positions(std::uint64_t more) {
  while (const auto entry = coming_.take(writer_->next_sequence() - base_ + more)) {
    table_changed_ = table_.set(entry->position) || table_changed_;
  }
}

Status FilePut::position(std::uint64_t n, const Position& position) {
  coming_.add(n, position);
  const bool is_late = writer_ && !has_pending() && n <= writer_->next_sequence() - base_;
  return is_late ? append_positions() : Status();
}

// Those of events that are in the log already.
Status FilePut::append_positions() {
  take_positions(0);
  if (!table_changed_) {
    return {};
  }
  const Result<LogWriter::Append> done = writer_->append_positions(table_.text());
  if (!done) {
    return done.error();
  }
  table_changed_ = *done != LogWriter::Append::done;
  return after_append(*done);
}

Status FilePut::append_pending() {
  const Block block{reinterpret_cast<std::uint8_t*>(pending_.data()), pending_.size(),
                    pending_count_};
  const Result<LogWriter::Append> done = append(block);
  if (!done) {
    return done.error();
  }
  if (*done == LogWriter::Append::done) {
    pending_.clear();
    pending_count_ = 0;
  }
  return after_append(*done);
}

Status FilePut::after_append(LogWriter::Append done) {
  if (done == LogWriter::Append::full) {
    become(Full::disk);
  } else if (done == LogWriter::Append::roll) {
    wants_roll_ = true;
  } else if (full_ == Full::disk || full_ == Full::reserve || appended_bytes_ >= space_at_) {
    become(space_reached());
  }
  if (limit_reached() != Full::no) {
    look_at_ms_ = monotonic_ms();
  }
  return worker_.busy() || (gathers() && !wants_roll_) ? Status() : start_sync();
}

bool FilePut::gathers() const {
  return gather_until_ms_ >= 0 && writer_->unsynced_bytes() < kGatherBytes &&
         monotonic_ms() < gather_until_ms_;
}

Status FilePut::start_sync() {
  if (!writer_->has_unsynced() && !wants_roll_) {
    return {};
  }
  gather_until_ms_ = -1;
  sync_ = writer_->begin_sync(std::exchange(wants_roll_, false));
  job_ = Job::sync;
  worker_.start([this] { return writer_->run_sync(sync_); });
  return {};
}

// The result of the thread's job, and what follows from it.
Status FilePut::finish_job() {
  const std::optional<Status> result = worker_.take();
  if (!result) {
    return {};
  }
  const Job job = std::exchange(job_, Job::none);
  if (!*result) {
    failed_ = result->error();
    return *failed_;
  }
  if (job == Job::freeing) {
    look_at_ms_ = -1;
    if (!*freed_) {
      // Nothing was freed; the log continues without.
      if (freeing_warning_.happened(monotonic_ms())) {
        const Error& why = freed_->error();
        log(LogLevel::warning,
            why.message + "; no space is freed" + (why.hint.empty() ? "" : ": " + why.hint));
        freeing_warning_.reported(monotonic_ms());
      }
    } else {
      if ((*freed_)->sync_error) {
        failed_ = (*freed_)->sync_error;
        return *failed_;
      }
      use_ = std::move(**freed_);
      if (use_.read_error && freeing_warning_.happened(monotonic_ms())) {
        const Error& why = *use_.read_error;
        log(LogLevel::warning, why.message + "; no space is freed while it cannot be read" +
                                   (why.hint.empty() ? "" : ": " + why.hint));
        freeing_warning_.reported(monotonic_ms());
      }
      if (use_.segments_freed > 0 && retry_at_ms_ >= 0) {
        retry_at_ms_ = monotonic_ms();  // there is room now
      }
      writer_->forget_before(use_.first);
      dropped_ += use_.events_dropped;
      if (use_.events_dropped > 0 && dropping_warning_.happened(monotonic_ms())) {
        report_dropped();
        dropping_warning_.reported(monotonic_ms());
      }
    }
    watch_limit();
    return {};
  }
  const std::uint64_t segment_bytes = writer_->segment_bytes();
  writer_->finish_sync(sync_);
  if (sync_.next) {
    use_.sealed_bytes += segment_bytes;
  }
  const bool flows = writer_->unsynced_bytes() >= kFlowBytes;
  gather_until_ms_ = flows ? monotonic_ms() + kGatherMs : -1;
  ++syncs_;
  if (const std::int64_t now = monotonic_ms(); now - rate_.since_ms >= kRateMs) {
    rate_ = {now, syncs_, syncs_per_second(now)};
  }
  ++shared_->published;
  last_sync_ms_ = sync_.took_ms;
  if (sync_.full) {
    become(Full::disk);  // and then what is pending asks for the segment again
    return {};
  }
  if (sync_.rolls) {
    sync_.rolls = false;
    look_at_ms_ = monotonic_ms();
  }
  look_after_ms_ = 0;
  if (look_at_ms_ < 0 || look_at_ms_ > monotonic_ms() + kLookMs) {
    look_at_ms_ = monotonic_ms() + kLookMs;
  }
  // There was room for a new segment: nothing else would try what waits for it.
  return has_pending() && (full_ == Full::no || sync_.next) ? append_pending() : Status();
}

// Since the last report.
void FilePut::report_dropped() {
  log(LogLevel::warning,
      fmt::format("'{}' was full: {} removed that {} acknowledged", files_->path(),
                  count_of(dropped_ - dropped_reported_, "event"),
                  use_.slowest.empty() ? "nobody had" : "group '" + use_.slowest + "' had not"));
  dropped_reported_ = dropped_;
}

void FilePut::start_freeing(bool drops) {
  look_at_ms_ = -1;
  use_.segments_freed = 0;
  job_ = Job::freeing;
  const bool needs_room =
      full_ == Full::disk || full_ == Full::reserve || limit_reached() == Full::bytes;
  const RetentionSettings settings{retain_.bytes,
                                   retain_.ms,
                                   drops,
                                   needs_room,
                                   full_ == Full::no && options_.byte_capacity.value == 0,
                                   writer_->log()};
  worker_.start([this, settings, segments = writer_->segments()] {
    freed_ = free_segments(*files_, segments, settings, &known_);
    return Status();
  });
}

// As far as it is known now: the group of this process has got further since the last look.
std::uint64_t FilePut::needed() const {
  if (use_.groups.empty()) {
    return use_.needed;
  }
  std::uint64_t needed = UINT64_MAX;
  for (const GroupState& group : use_.groups) {
    const std::uint64_t next = group.how == Decoded::ok ? group.slot.next_sequence : 0;
    needed = std::min(needed, group.name == shared_->group ? std::max(next, shared_->acked) : next);
  }
  return std::max(needed, use_.first);
}

std::uint64_t FilePut::held() const {
  return writer_ ? writer_->next_sequence() - std::min(needed(), writer_->next_sequence()) : 0;
}

// After a check of the groups: when to check again, and whether a limit has to be reported.
void FilePut::watch_limit() {
  const Full limit = limit_reached();
  const std::int64_t now = monotonic_ms();
  if (limit == Full::no) {
    stuck_since_ms_ = -1;
    if (full_ == Full::events || full_ == Full::bytes) {
      become(Full::no);
    }
    if (full_ == Full::reserve && writer_->segments().size() == 1 &&
        writer_->next_sequence() != use_.first && held() == 0) {
      wants_roll_ = true;  // then the only segment can be freed
    }
    // Something may change by itself only while there is a segment to free.
    if (writer_->segments().size() > 1) {
      look_after_ms_ = std::clamp(look_after_ms_ * 2, kLookMs, kLastLookMs);
      look_at_ms_ = now + look_after_ms_;
    }
    return;
  }
  // What was freed may not be enough for a large block.
  look_at_ms_ = use_.segments_freed > 0 ? now : now + kLookWhenFullMs;
  if (writer_->segments().size() == 1 && writer_->next_sequence() != use_.first) {
    wants_roll_ = true;  // only a whole segment can be freed
  }
  // A channel that is full is nothing special; one that stays full is.
  if (stuck_since_ms_ < 0 || stuck_needed_ != needed()) {
    stuck_since_ms_ = now;
    stuck_needed_ = needed();
  } else if (now - stuck_since_ms_ >= kStuckMs && full_ != Full::disk && full_ != Full::reserve) {
    become(limit);
  }
}

// Than the newest one that has events.
bool FilePut::has_older_segment() const {
  const std::vector<std::uint64_t>& segments = writer_->segments();
  const bool is_empty = writer_->next_sequence() == segments.back();
  return segments.size() > (is_empty ? 2 : 1);
}

FilePut::Full FilePut::limit_reached() const {
  if (!writer_) {
    return Full::no;
  }
  // Only whole segments are dropped, and the newest one stays, whatever it has.
  const bool is_free = drops_oldest() && !has_older_segment();
  if (options_.capacity != 0 && held() >= options_.capacity && !is_free) {
    return Full::events;
  }
  // What is in a segment without events cannot be freed.
  const bool has_events =
      writer_->segments().size() > 1 || writer_->next_sequence() != writer_->segments().front();
  if (options_.byte_capacity.value != 0 && has_events && !is_free &&
      use_.sealed_bytes + writer_->segment_bytes() >= options_.byte_capacity.value) {
    return Full::bytes;
  }
  return Full::no;
}

// A log that has exactly as much as it may have is full, and has not too much.
bool FilePut::exceeds_limit() const {
  const Full limit = limit_reached();
  return (limit == Full::events && held() > options_.capacity) || limit == Full::bytes;
}

FilePut::Full FilePut::space_reached() {
  LogSpace space;
  space_at_ = appended_bytes_ + kSpaceEvery;
  if (options_.reserve.value == 0 || files_->space(space) != 0) {
    return Full::no;
  }
  if (space.free_bytes < options_.reserve.value) {
    return Full::reserve;
  }
  const std::uint64_t rest = space.free_bytes - options_.reserve.value;
  space_at_ = appended_bytes_ + std::clamp(rest / 8, kSpaceEvery, kSpaceAtMost);
  return Full::no;
}

// Notes why there is no room, or that there is; reports it at growing intervals.
void FilePut::become(Full full) {
  const std::int64_t now = monotonic_ms();
  if (full == Full::no) {
    if (full_ != Full::no) {
      log(LogLevel::info, fmt::format("'{}' has room again; reading continues", directory_));
    }
    full_ = full;
    retry_at_ms_ = -1;
    retry_after_ms_ = 0;
    return;
  }
  const bool is_space = full == Full::disk || full == Full::reserve;
  if (is_space) {
    retry_after_ms_ = std::clamp(retry_after_ms_ * 2, kFirstRetryMs, kLastRetryMs);
    retry_at_ms_ = now + retry_after_ms_;
    look_at_ms_ = now;  // a segment may have become free
  }
  full_ = full;
  if (!is_space && drops_oldest()) {
    return;  // what is removed is reported
  }
  if (full_warning_.happened(now)) {
    log(LogLevel::warning, why_full());
    full_warning_.reported(now);
  }
}

std::string FilePut::why_full() const {
  std::string why;
  switch (full_) {
    case Full::no:
      break;
    case Full::disk:
      why = fmt::format("no space on the file system of '{}'", directory_);
      break;
    case Full::reserve:
      why = fmt::format("less than --reserve ({}) is free on the file system of '{}'",
                        to_string(options_.reserve), directory_);
      break;
    case Full::events:
      why = fmt::format("'{}' is full: it holds {}, --capacity is {}", directory_,
                        count_of(held(), "event"), options_.capacity);
      break;
    case Full::bytes:
      why = fmt::format("'{}' is full: it has {} bytes, --byte-capacity is {}", directory_,
                        use_.sealed_bytes + writer_->segment_bytes(),
                        to_string(options_.byte_capacity));
      break;
  }
  if (writer_ && !use_.slowest.empty()) {
    why += fmt::format("; group '{}' has {} left to take", use_.slowest, count_of(held(), "event"));
  } else if (writer_) {
    why += "; no group takes from it";
  }
  return why + "; reading stops until there is room";
}

std::uint64_t FilePut::safe() const {
  if (!writer_) {
    return 0;
  }
  return std::max(writer_->safe_sequence(), base_) - base_;
}

Status FilePut::commit(std::uint64_t) { return stop_gathering(); }

Status FilePut::stop_gathering() {
  gather_until_ms_ = -1;
  return writer_ && !worker_.busy() ? start_sync() : Status();
}

Result<bool> FilePut::input_over() {
  if (failed_) {
    return *failed_;
  }
  if (gather_until_ms_ >= 0) {
    if (Status started = stop_gathering(); !started) {
      return started.error();
    }
  }
  if (!writer_ || has_pending() || job_ == Job::sync || writer_->has_unsynced()) {
    return false;
  }
  // The last block may have been one too many. What could not be removed is not tried again.
  if (job_ == Job::freeing && is_last_drop_asked_) {
    return false;
  }
  if (drops_oldest() && exceeds_limit() && (!is_last_drop_asked_ || use_.segments_freed > 0)) {
    if (!worker_.busy()) {
      is_last_drop_asked_ = true;
      start_freeing(true);
    }
    return false;
  }
  return true;
}

Status FilePut::close() {
  if (is_dry_run_ || !files_) {
    return {};
  }
  Status last = worker_.wait();
  worker_.stop();
  if (!last || failed_ || !writer_) {
    return last;  // what is on disk is for the next writer to find out
  }
  if (job_ == Job::sync) {
    writer_->finish_sync(sync_);
  }
  if (Status closed = writer_->close(); !closed) {
    return closed;
  }
  if (dropped_ > dropped_reported_) {
    report_dropped();
  }
  if (dropped_ > 0) {
    return Error{ErrorClass::input,
                 fmt::format("'{}' was full: {} removed that were not acknowledged", files_->path(),
                             count_of(dropped_, "event")),
                 {}};
  }
  return {};
}

std::optional<Error> FilePut::missing() const {
  if (full_ != Full::disk && full_ != Full::reserve) {
    return std::nullopt;
  }
  Error error = system_error(ErrorClass::io, fmt::format("'{}' takes nothing", directory_), ENOSPC);
  if (full_ == Full::reserve) {
    error.message += fmt::format(" beyond --reserve ({})", to_string(options_.reserve));
  }
  return error;
}

std::string FilePut::status() const {
  switch (full_) {
    case Full::no:
      return {};
    case Full::disk:
    case Full::reserve:
      return "waiting for space on the disk";
    default:
      return use_.slowest.empty() ? "full" : "full for group '" + use_.slowest + "'";
  }
}

// Since a second ago, or longer.
std::uint64_t FilePut::syncs_per_second(std::int64_t now) const {
  const std::int64_t ms = now - rate_.since_ms;
  return ms < kRateMs ? rate_.value
                      : (syncs_ - rate_.syncs) * 1000 / static_cast<std::uint64_t>(ms);
}

void FilePut::figures(FigureList& out) const {
  out.gauge("events", "Events held for the slowest group; without groups, all.", held())
      .said("held");
  out.gauge("bytes", "Bytes in segments.",
            writer_ ? use_.sealed_bytes + writer_->segment_bytes() : 0)
      .said_as_bytes("used");
  out.gauge("segments", "Segments.", writer_ ? writer_->segments().size() : 0);
  out.gauge("groups", "Groups that take.", use_.groups.size());
  for (const GroupState& group : use_.groups) {
    if (writer_ && group.how == Decoded::ok && group.name != shared_->group) {
      const std::uint64_t end = writer_->durable().durable_sequence;
      add_group_figures(out, group.name, end - std::min(end, group.slot.next_sequence),
                        wall_ms() - static_cast<std::int64_t>(group.slot.moved_ms));
    }
  }
  out.counter("syncs_total", "Syncs.", syncs_);
  out.gauge("syncs_per_second", "Syncs a second, of late.", syncs_per_second(monotonic_ms()))
      .said("syncs a second");
  out.gauge("last_sync_ms", "Milliseconds of the last sync.",
            static_cast<std::uint64_t>(last_sync_ms_))
      .said("milliseconds for the last");
  out.counter("events_dropped_total", "Events removed before every group had acknowledged them.",
              dropped_)
      .said_if_any("dropped");
  if (full_ == Full::disk || full_ == Full::reserve) {
    out.alarm("disk_full");
  } else if (full_ != Full::no) {
    out.alarm("log_full");
  }
}

}  // namespace fl
