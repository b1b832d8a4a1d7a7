#include "tools/fl-channel/file/file_take.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"
#include "common/log/seeded_bug.h"
#include "tools/fl-channel/file/group_figures.h"

namespace fl {
namespace {

constexpr std::int64_t kWaitForLogMs = 200;
constexpr std::int64_t kSyncMs = 1'000;  // between two syncs of the cursor

}  // namespace

Status FileTake::open(const StageContext& context) {
  is_dry_run_ = context.dry_run;
  if (Status fits = check_halves(options_); !fits) {
    return fits;
  }
  const Result<LogPlace> from = parse_place(options_.from);
  if (!from) {
    return from.error();
  }
  from_ = *from;
  if (!is_group_name(options_.group)) {
    return Error{ErrorClass::usage,
                 fmt::format("'{}' is not a valid group name", printable(options_.group)),
                 "1 to 64 letters, digits, '_', '-' and '.', not beginning with '.'"};
  }
  if (is_dry_run_) {
    return shared_ ? Status() : open_files();
  }
  if (Status opened = worker_.open(); !opened) {
    return opened;
  }
  if (Status opened = open_log(); !opened) {
    return opened;
  }
  if (cursor_ || shared_ || has_no_room_) {
    return {};
  }
  const Status nothing = options_.once || reader_ ? nothing_to_take() : Status();
  if (options_.once) {
    if (nothing) {
      log(LogLevel::info,
          fmt::format("'{}' holds no log yet; there is nothing to take", directory_));
    }
    return nothing;
  }
  if (!nothing && nothing.error().kind == ErrorClass::input) {
    log(LogLevel::warning,
        fmt::format("{}; waiting for a writer: {}", nothing.error().message, nothing.error().hint));
  } else {
    log(LogLevel::info, fmt::format("'{}' holds no log yet; waiting for it", directory_));
  }
  return {};
}

// Opens the directory. One that does not exist may come yet, unless this is --once.
Status FileTake::open_files() {
  const Result<std::optional<LogModes>> mode = parse_mode(options_.mode);
  if (!mode) {
    return mode.error();
  }
  Result<std::unique_ptr<LogFiles>> files = open_log_files(directory_, false, *mode);
  if (files) {
    files_ = std::move(*files);
    return {};
  }
  const bool is_missing = ::access(directory_.c_str(), F_OK) != 0 && errno == ENOENT;
  if (!is_missing) {
    return files.error();
  }
  if (!options_.once) {
    return {};
  }
  return Error{ErrorClass::config, fmt::format("there is no directory '{}'", directory_),
               "check the spelling; fl-channel file DIR --put makes it"};
}

// Without a head: fine where a putter may just be making a log.
Status FileTake::nothing_to_take() {
  std::vector<std::string> names;
  if (const int listed = files_->list("", names); listed != 0) {
    return log_error(*files_, "list", "", listed);
  }
  const bool is_damaged = reader_->head_state() == HeadFile::State::damaged;
  for (const std::string& name : names) {
    const std::optional<std::uint64_t> first = segment_of_name(name);
    std::unique_ptr<LogFile> segment;
    const bool has_events = first && files_->open(name, LogFiles::Open::read, segment) == 0 &&
                            segment->size() > static_cast<std::int64_t>(kSegmentHeaderBytes);
    if (is_damaged || has_events) {
      return Error{
          ErrorClass::input,
          fmt::format("'{}/{}' is {}", directory_, kHeadName, is_damaged ? "damaged" : "missing"),
          repair_hint(directory_)};
    }
    if (!first && name != kLockName && name != kGroupsName && name != kQuarantineName &&
        name != kSpareName && !name.ends_with(".tmp")) {
      return Error{ErrorClass::config,
                   fmt::format("'{}' holds no log, but '{}'", directory_, printable(name)),
                   "give the directory of a log"};
    }
  }
  return {};
}

// Without a log it is tried again later.
Status FileTake::open_log() {
  look_at_ms_ = monotonic_ms() + kWaitForLogMs;
  if (!files_) {
    if (Status opened = open_files(); !opened || !files_) {
      return opened;
    }
    if (Status fits = check_file_system(*files_); !fits) {
      return fits;
    }
  }
  if (!reader_) {
    LogReader::Settings settings;
    Result<LogReader> reader = LogReader::open(*files_, settings);
    if (!reader) {
      return reader.error();
    }
    reader_ = std::move(*reader);
  } else if (Result<bool> newer = reader_->refresh(); !newer) {
    return newer.error();
  }
  if (!reader_->exists()) {
    return {};
  }
  watch_.start(files_->path());
  // Again: what was published before the file was watched is not shown.
  if (Result<bool> newer = reader_->refresh(); !newer) {
    return newer.error();
  }
  LogCursor::Settings settings;
  settings.group = options_.group;
  settings.log = reader_->log();
  settings.durable_sequence = reader_->durable_sequence();
  const Result<std::uint64_t> oldest = reader_->oldest();
  if (!oldest) {
    return oldest.error();
  }
  settings.oldest = *oldest;
  settings.start = [this] { return start_of_group(); };
  settings.notify = log_notice;
  bool has_no_room = false;
  settings.has_no_room = &has_no_room;
  Result<LogCursor> cursor = LogCursor::open(*files_, settings);
  if (has_no_room) {
    wait_for_room(cursor.error());
    return {};
  }
  if (!cursor) {
    return cursor.error();
  }
  if (std::exchange(has_no_room_, false)) {
    log(LogLevel::info, fmt::format("group '{}' of '{}' is made", options_.group, files_->path()));
  }
  report_head();
  cursor_ = std::move(*cursor);
  log_text_ = reader_->log_text();
  const std::uint64_t next = cursor_->next();
  reader_->seek(next);
  marks_.push_back({0, next});
  synced_sequence_ = next;
  if (shared_) {
    shared_->group = options_.group;
    shared_->acked = next;
  }
  look_at_ms_ = shared_ ? -1 : monotonic_ms() + watch_.look_every_ms();
  return {};
}

// The group is made as soon as there is space, and begins where it would have begun now.
void FileTake::wait_for_room(const Error& why) {
  has_no_room_ = true;
  const std::int64_t now = monotonic_ms();
  if (room_warning_.happened(now)) {
    log(LogLevel::warning, fmt::format("{}: no space for the new group '{}', waiting for it",
                                       why.message, options_.group));
    room_warning_.reported(now);
  }
}

Result<std::uint64_t> FileTake::start_of_group() {
  if (from_.kind == LogPlace::Kind::newest) {
    from_ = {LogPlace::Kind::number, reader_->durable_sequence()};
  }
  switch (from_.kind) {
    case LogPlace::Kind::newest:
      break;
    case LogPlace::Kind::number:
      return std::min(from_.value, reader_->durable_sequence());
    case LogPlace::Kind::time:
      return reader_->at_time(from_.value);
    case LogPlace::Kind::oldest:
      break;
  }
  return reader_->oldest();
}

void FileTake::watch(PollSet& set, bool room) {
  watch_index_ = room && !shared_ && watch_.fd() >= 0 ? set.add(watch_.fd(), POLLIN) : -1;
  worker_.watch(set);
}

std::int64_t FileTake::deadline_ms() const {
  if (failed_) {
    return 1;  // handle() has to report it
  }
  const std::int64_t sync_at = worker_.busy() ? -1 : sync_at_ms_;
  if (look_at_ms_ < 0 || sync_at < 0) {
    return std::max(look_at_ms_, sync_at);
  }
  return std::min(look_at_ms_, sync_at);
}

Status FileTake::handle(const PollSet& set) {
  if (failed_) {
    return *failed_;
  }
  if (const std::optional<Status> synced = worker_.take(); synced) {
    if (!*synced) {
      failed_ = synced->error();
      return *failed_;
    }
    synced_sequence_ = syncing_sequence_;
    if (Status finished = cursor_->finish_sync(); !finished) {
      return finished;
    }
  }
  const std::int64_t now = monotonic_ms();
  if (!cursor_ && (now >= look_at_ms_ || shared_)) {
    return open_log();
  }
  if (cursor_ && !shared_ && (set.revents(watch_index_) != 0 || now >= look_at_ms_)) {
    if (Status looked = look(); !looked) {
      return looked;
    }
  }
  if (sync_at_ms_ >= 0 && now >= sync_at_ms_ && !worker_.busy()) {
    sync_at_ms_ = -1;
    syncing_sequence_ = cursor_->next();
    if (syncing_sequence_ != synced_sequence_) {
      cursor_->begin_sync();
      worker_.start([this] { return cursor_->sync_file(); });
    }
  }
  return {};
}

// Looks whether more has become durable.
Result<bool> FileTake::refresh() {
  const bool had_all = lag() == 0;
  Result<bool> newer = reader_->refresh();
  report_head();
  if (had_all && lag() > 0) {
    behind_ms_ = wall_ms();
  }
  return newer;
}

// In one process the put half has repaired it.
void FileTake::report_head() {
  if (!shared_ && !is_head_reported_ && reader_->head_lacks_slot()) {
    is_head_reported_ = true;
    log(LogLevel::warning,
        fmt::format("'{}/{}' has a damaged slot: the last events may not be passed on; {}",
                    directory_, kHeadName, repair_hint(directory_)));
  }
}

Status FileTake::look() {
  watch_.take();
  const Result<bool> newer = refresh();
  if (!newer) {
    return newer.error();
  }
  if (!*newer && !files_->has_place()) {
    return Error{ErrorClass::again,
                 fmt::format("'{}' was removed, or is another directory now", directory_),
                 "start again to take from what is there"};
  }
  if (!*newer && monotonic_ms() >= look_at_ms_) {
    watch_.start(files_->path());  // it may have been recreated
  }
  look_at_ms_ = monotonic_ms() + watch_.look_every_ms();
  return {};
}

// In one process the put half reports when there is more.
void FileTake::look_if_more() {
  if (!shared_ || shared_->published == published_seen_) {
    return;
  }
  published_seen_ = shared_->published;
  if (!cursor_) {
    if (const Status opened = open_log(); !opened) {
      failed_ = opened.error();
    }
  } else if (const Result<bool> newer = refresh(); !newer) {
    failed_ = newer.error();
  }
}

Block* FileTake::front() {
  if (has_block_) {
    return &reader_->block();
  }
  if (is_closed_) {
    return nullptr;
  }
  look_if_more();
  while (cursor_ && !failed_) {
    const Result<LogReader::Got> got = reader_->next();
    if (!got) {
      failed_ = got.error();
      break;
    }
    if (*got == LogReader::Got::nothing) {
      break;
    }
    if (*got == LogReader::Got::gap) {
      marks_.push_back({handed_, reader_->sequence()});
      if (const Status moved = move_cursor(); !moved) {
        failed_ = moved.error();
      }
      continue;
    }
    handed_ += reader_->block().count;
    has_block_ = true;
    if (seeded(Bug::cursor_ahead_of_ack)) {
      acked_ = handed_;
      (void)move_cursor();
    }
    return &reader_->block();
  }
  return nullptr;
}

void FileTake::pop() { has_block_ = false; }

std::optional<EventNumber> FileTake::number() const {
  if (!cursor_) {
    return std::nullopt;
  }
  return EventNumber{log_text_, has_block_ ? reader_->first() : reader_->sequence()};
}

// A log below keeps how far this group has got: what it has does not come again after a kill.
std::string FileTake::position_name() const {
  return cursor_ ? fmt::format("log:{}:{}", log_text_, options_.group) : std::string();
}

// By a reader of its own, which reports nothing.
Result<bool> FileTake::was_put_at(std::uint64_t sequence, std::uint64_t time_ms) const {
  LogReader::Settings settings;
  settings.join_bytes = 0;
  settings.sets_aside = false;
  settings.notify = nullptr;
  Result<LogReader> reader = LogReader::open(*files_, settings);
  if (!reader) {
    return reader.error();
  }
  reader->seek(sequence);
  const Result<LogReader::Got> got = reader->next();
  if (!got) {
    return got.error();
  }
  return *got == LogReader::Got::block && reader->time_ms() == time_ms;
}

// Ends with the time when the last event before it was put.
std::optional<std::string> FileTake::position() {
  return fmt::format("{}:{}:{}", cursor_->created_ms(), reader_->sequence(),
                     reader_->last_time_ms());
}

// Places from before the group was moved by hand do not count, nor those that the log does not
// have, or where it has other events: it may have been put back from a copy.
Status FileTake::resume(const std::optional<std::string>& place) {
  if (!place || !cursor_ || handed_ > 0) {
    return {};
  }
  std::string_view rest = *place;
  const auto number = [&rest] {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string_view text = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    return parse_count(text);
  };
  const Result<std::uint64_t> created = number();
  const Result<std::uint64_t> next = number();
  const Result<std::uint64_t> put = number();  // none: a place of an earlier version
  if (!created || !next || *created != cursor_->created_ms() || *next <= cursor_->next() ||
      *next > reader_->durable_sequence()) {
    return {};
  }
  const Result<bool> same = put && *put != 0 ? was_put_at(*next - 1, *put) : true;
  if (!same) {
    return same.error();
  }
  if (!*same) {
    log(LogLevel::warning,
        fmt::format("'{}' has other events now than those that group '{}' has handed on (was it "
                    "put back from a copy?): taking from event {} on, where the group stands",
                    directory_, options_.group, cursor_->next()));
    return {};
  }
  reader_->seek(*next);
  marks_.push_back({0, *next});
  return move_cursor();
}

bool FileTake::over() const {
  if (has_block_ || failed_) {
    return false;
  }
  if (is_closed_) {
    return true;
  }
  const bool has_all = cursor_ && reader_->sequence() >= reader_->durable_sequence();
  if (shared_) {
    return is_put_over_ && has_all && shared_->published == published_seen_;
  }
  return options_.once && (cursor_ ? has_all : !has_no_room_);
}

// The number after the last of the first `acked` events handed out.
std::uint64_t FileTake::sequence_of(std::uint64_t acked) {
  while (marks_.size() > 1 && marks_[1].handed <= acked) {
    marks_.pop_front();
  }
  const std::uint64_t sequence = marks_.front().sequence + (acked - marks_.front().handed);
  return seeded(Bug::hidden_8) ? sequence + (marks_.front().handed != 0 ? 1 : 0) : sequence;
}

Status FileTake::move_cursor() {
  const std::uint64_t sequence = sequence_of(acked_);
  if (sequence == cursor_->next()) {
    return {};
  }
  if (shared_) {
    shared_->acked = sequence;
  }
  if (sync_at_ms_ < 0) {
    sync_at_ms_ = monotonic_ms() + kSyncMs;
  }
  return cursor_->move(sequence);
}

Status FileTake::acked(std::uint64_t n) {
  acked_ = n;
  return cursor_ ? move_cursor() : Status();
}

Status FileTake::close() {
  if (is_dry_run_) {
    return {};
  }
  is_closed_ = true;
  const bool was_syncing = worker_.busy();
  Status status = worker_.wait();
  worker_.stop();
  if (failed_) {
    return *failed_;
  }
  if (!cursor_ || !status) {
    return status;
  }
  status = was_syncing ? cursor_->finish_sync() : Status();
  if (status) {
    status = cursor_->sync();
  }
  if (!status) {
    return status;
  }
  if (reader_->refresh() && lag() > 0) {
    log(LogLevel::info,
        fmt::format("{} {} in '{}' for group '{}'", count_of(lag(), "event"),
                    lag() == 1 ? "remains" : "remain", files_->path(), options_.group));
  }
  if (reader_->missing() > 0) {
    return Error{
        ErrorClass::input,
        fmt::format("{} of '{}' {} missing, see above", count_of(reader_->missing(), "event"),
                    files_->path(), reader_->missing() == 1 ? "is" : "are"),
        {}};
  }
  if (options_.once && !is_stopped_ && reader_->head_lacks_slot()) {
    return Error{
        ErrorClass::input,
        fmt::format("'{}' may have more events than were taken, see above", files_->path()),
        {}};
  }
  return {};
}

std::uint64_t FileTake::lag() const {
  if (!cursor_) {
    return 0;
  }
  const std::uint64_t end = reader_->durable_sequence();
  return end - std::min(end, cursor_->next());
}

// Since it moved, or since there was something to take again.
std::int64_t FileTake::age_ms() const {
  return cursor_ ? wall_ms() - std::max(static_cast<std::int64_t>(cursor_->moved_ms()), behind_ms_)
                 : 0;
}

std::string FileTake::status() const {
  if (has_no_room_) {
    return "waiting for space for group '" + options_.group + "'";
  }
  return cursor_ || shared_ ? std::string() : "waiting for '" + directory_ + "'";
}

void FileTake::figures(FigureList& out) const {
  add_group_figures(out, options_.group, lag(), age_ms());
  out.counter("missing_events_total", "Events that were damaged or removed before they were taken.",
              reader_ ? reader_->missing() : 0)
      .said_if_any("missing");
}

}  // namespace fl
