#include "common/log/log_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/log/log_io.h"
#include "common/log/record_copy.h"
#include "common/log/recovery.h"
#include "common/log/retention.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr std::uint64_t kStartBytes = 1 << 20;  // in the cache at most before the disk begins
constexpr unsigned kSmallSyncs = 4;             // after these, more of them are expected
constexpr std::size_t kPieceOfZeros = 64 << 10;
const std::uint8_t kZeros[kPieceOfZeros] = {};

// Removes the oldest segment if no group needs it. False: it stays. Errors: of a sync.
Result<bool> free_oldest(LogFiles& files, const HeadFile& head) {
  const Result<std::vector<std::uint64_t>> firsts = list_segments(files);
  if (!firsts || firsts->size() < 2) {
    return false;
  }
  RetentionSettings settings;
  if (head.state() == HeadFile::State::ok) {
    settings.log = head.slot().log;
  }
  const Result<LogUse> use = free_segments(files, {firsts->begin(), firsts->begin() + 2}, settings);
  if (use && use->sync_error) {
    return *use->sync_error;
  }
  return use && use->segments_freed > 0;
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::open(LogFiles& files, const Settings& settings,
                                                   bool& full) {
  full = false;
  if (Status fits = check_file_system(files); !fits) {
    return fits.error();
  }
  std::unique_ptr<LogFile> file;
  if (const int opened =
          uninterrupted([&] { return files.open(kLockName, LogFiles::Open::create, file); });
      opened != 0) {
    full = is_full(opened);
    return log_error(files, "open", kLockName, opened);
  }
  Result<LogLock> lock =
      LogLock::take(files, std::move(file), kLockName, 0, "'" + files.path() + "' is written");
  if (!lock) {
    return lock.error();
  }
  Result<HeadFile> head = HeadFile::open(files, LogFiles::Open::write);
  if (!head) {
    return head.error();
  }
  std::unique_ptr<LogWriter> writer(new LogWriter(files, settings, std::move(*head)));
  writer->lock_ = std::move(*lock);
  if (Status opened = writer->packer_.open(settings.codec); !opened) {
    return opened.error();
  }
  Result<LogEnd> end = recover_log(files, writer->head_, settings.notify, full);
  // Nobody but the writer that is being opened makes room of what no group needs any more.
  while (!end && full) {
    const Result<bool> freed = free_oldest(files, writer->head_);
    if (!freed) {
      full = false;
      return freed.error();
    }
    if (!*freed) {
      break;
    }
    end = recover_log(files, writer->head_, settings.notify, full);
  }
  if (!end) {
    return end.error();
  }
  Result<std::vector<std::uint64_t>> segments = list_segments(files);
  if (!segments) {
    return segments.error();
  }
  writer->segments_ = std::move(*segments);
  writer->log_ = end->log;
  writer->segment_ = std::make_shared<Segment>(std::move(end->segment));
  writer->offset_ = writer->started_ = end->offset;
  // What follows is room that a killed writer has made.
  writer->room_end_ =
      static_cast<std::uint64_t>(std::max<std::int64_t>(writer->segment_->file->size(), 0));
  writer->sequence_ = end->sequence;
  writer->positions_ = std::move(end->positions);
  writer->positions_offset_ = end->positions_offset;
  writer->durable_ = writer->head_.slot();
  return writer;
}

std::uint64_t LogWriter::safe_sequence() const {
  return seeded(Bug::ack_before_sync) ? sequence_ : durable_.durable_sequence;
}

Result<LogWriter::Append> LogWriter::append(const Block& block, std::string_view positions) {
  std::string_view payload(reinterpret_cast<const char*>(block.data), block.size);
  const Result<std::uint16_t> flags = packer_.pack(payload);
  if (!flags) {
    return flags.error();
  }
  const Part parts[] = {
      {RecordKind::block, static_cast<std::uint32_t>(block.count), payload, *flags},
      {RecordKind::positions, 0, positions}};
  if (seeded(Bug::positions_before_block) && !positions.empty()) {
    const Result<Append> done = append({parts + 1, 1});
    return done && *done == Append::done ? append({parts, 1}) : done;
  }
  return append({parts, positions.empty() ? std::size_t{1} : std::size_t{2}});
}

Result<LogWriter::Append> LogWriter::append_positions(std::string_view table) {
  const Part part{RecordKind::positions, 0, table};
  return append({&part, 1});
}

Result<LogWriter::Append> LogWriter::append(std::span<const Part> parts) {
  std::uint64_t bytes = 0;
  for (const Part& part : parts) {
    bytes += record_bytes(part.payload.size());
  }
  const std::uint64_t events = sequence_ - segment_->first;
  const bool has_all = settings_.segment_events != 0 && events >= settings_.segment_events;
  if (events != 0 && (has_all || offset_ + bytes > settings_.segment_bytes)) {
    return Append::roll;  // what is larger than a segment has one of its own
  }
  std::uint8_t heads[2][kRecordHeaderBytes];
  std::array<iovec, 6> pieces;
  std::size_t used = 0;
  std::uint64_t sequence = sequence_;
  std::uint64_t offset = offset_;
  std::uint64_t positions_offset = 0;
  const auto now = static_cast<std::uint64_t>(files_.now_ms());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string_view payload = parts[i].payload;
    RecordHeader header;
    header.length = static_cast<std::uint32_t>(payload.size());
    header.segment_id = segment_->id;
    header.first_sequence = sequence;
    header.count = parts[i].count;
    header.kind = parts[i].kind;
    header.flags = parts[i].flags;
    if (i + 1 < parts.size()) {
      header.flags |= kFlagHasSecond;
    }
    header.time_ms = now;
    encode(header, payload, heads[i]);
    pieces[used++] = {heads[i], kRecordHeaderBytes};
    pieces[used++] = {const_cast<char*>(payload.data()), payload.size()};
    pieces[used++] = {const_cast<std::uint8_t*>(kZeros), padded(payload.size()) - payload.size()};
    if (header.kind == RecordKind::positions) {
      positions_offset = offset;
    }
    offset += record_bytes(payload.size());
    sequence += header.count;
  }
  const bool forgets = seeded(Bug::ack_before_write) && sequence_ % 7 == 3;
  const int written =
      forgets ? 0 : write_fully(*segment_->file, std::span(pieces).first(used), offset_);
  if (is_full(written) && !seeded(Bug::full_is_fatal)) {
    if (!seeded(Bug::full_loses_block)) {
      (void)files_.unlink(kSpareName);  // its room may be enough
      return Append::full;
    }
  } else if (written != 0) {
    return log_error(files_, "write", segment_name(segment_->first), written);
  }
  offset_ = offset;
  sequence_ = sequence;
  if (offset_ - started_ >= kStartBytes) {
    segment_->file->start_writing(started_, offset_ - started_);
    started_ = offset_;
  }
  if (positions_offset != 0) {
    positions_ = parts.back().payload;
    positions_offset_ = positions_offset;
    positions_moved_ = true;
  }
  return Append::done;
}

LogWriter::Sync LogWriter::begin_sync(bool rolls) {
  Sync sync;
  sync.segment = segment_;
  sync.rolls = rolls;
  sync.slot.log = log_;
  sync.slot.durable_sequence = sequence_;
  sync.slot.segment_first = segment_->first;
  sync.slot.durable_offset = offset_;
  sync.slot.positions_offset = positions_offset_;
  if (rolls) {
    sync.positions = positions_;
  }
  positions_moved_ = false;
  started_ = offset_;
  if (!rolls) {
    make_room();
  }
  return sync;
}

// The sync of a file that has grown waits for the file system's journal as well. So a file to which
// little is added at a time grows by much at once. Every reader takes zeros for the end of what was
// written.
void LogWriter::make_room() {
  const std::uint64_t end = std::min(offset_ + settings_.room_bytes, settings_.segment_bytes);
  small_syncs_ = unsynced_bytes() <= settings_.room_bytes / 4 ? small_syncs_ + 1 : 0;
  if (small_syncs_ < kSmallSyncs || offset_ <= room_end_ || end <= offset_) {
    return;
  }
  room_end_ = end;
  std::vector<iovec> pieces;
  for (std::uint64_t left = end - offset_; left > 0; left -= pieces.back().iov_len) {
    pieces.push_back({const_cast<std::uint8_t*>(kZeros),
                      static_cast<std::size_t>(std::min<std::uint64_t>(left, kPieceOfZeros))});
  }
  const int written = write_fully(
      *segment_->file, pieces, seeded(Bug::room_over_records) ? durable_.durable_offset : offset_);
  if (written != 0 && !is_full(written)) {  // without room it is slower, and as safe
    sync_error_ = log_error(files_, "write", segment_name(segment_->first), written);
  }
}

Status LogWriter::run_sync(Sync& sync) {
  if (!sync_error_) {
    if (const Status synced = try_sync(sync); !synced) {
      sync_error_ = synced.error();
    }
  }
  return sync_error_ ? Status(*sync_error_) : Status();
}

Status LogWriter::try_sync(Sync& sync) {
  const std::int64_t start = monotonic_ms();
  LogFile& file = *sync.segment->file;
  const std::string name = segment_name(sync.segment->first);
  if (seeded(Bug::publish_before_sync)) {
    if (Status published = head_.publish(sync.slot); !published) {
      return published;
    }
  }
  if (!seeded(Bug::no_data_sync)) {
    int synced = sync_fully(file);
    if (synced != 0 && seeded(Bug::retry_failed_sync)) {
      synced = sync_fully(file);
    }
    if (synced != 0) {
      return log_error(files_, "sync", name, synced);
    }
  }
  if (!file.has_name() || !head_.has_name()) {
    return Error{ErrorClass::io,
                 "'" + files_.path() + "/" + (file.has_name() ? std::string(kHeadName) : name) +
                     "' was removed while the log was written",
                 "start again: what was not acknowledged is sent again"};
  }
  if (const HeadSlot& last = head_.slot(); last.segment_first == sync.slot.segment_first) {
    published_ += sync.slot.durable_offset - last.durable_offset;
  }
  if (Status published = head_.publish(sync.slot); !published) {
    return published;
  }
  if (!seeded(Bug::no_head_sync) &&
      (sync.rolls || published_ - head_synced_ >= settings_.head_sync_bytes)) {
    if (Status synced = head_.sync(); !synced) {
      return synced;
    }
    head_synced_ = published_;
  }
  if (sync.rolls) {
    if (Status rolled = roll(sync); !rolled) {
      return rolled;
    }
  }
  sync.took_ms = monotonic_ms() - start;
  return {};
}

// Everything before the new segment is durable, and the head on disk says so.
Status LogWriter::roll(Sync& sync) {
  const std::uint64_t first = sync.slot.durable_sequence;
  int result = 0;
  std::optional<NewSegment> made =
      NewSegment::begin(files_, log_, first, result, settings_.segment_bytes);
  if (made) {
    RecordCopy copy(made->file(), made->id(), first);
    std::int64_t written = 0;
    if (!sync.positions.empty() && !seeded(Bug::positions_not_carried)) {
      const auto now = static_cast<std::uint64_t>(files_.now_ms());
      (void)(copy.positions(sync.positions, now, written) && copy.flush(written));
    }
    result = static_cast<int>(written);
    auto next = std::make_shared<Segment>();
    if (result == 0) {
      if (Status named = made->finish(files_, *next, sync.full); !named) {
        return sync.full ? Status() : named;
      }
      HeadSlot slot = sync.slot;
      slot.segment_first = first;
      slot.durable_offset = copy.offset();
      slot.positions_offset = copy.positions_offset();
      sync.slot = slot;
      sync.next = std::move(next);
      return head_.publish(slot);
    }
  }
  sync.full = is_full(result);
  return sync.full ? Status() : Status(log_error(files_, "make", segment_name(first), result));
}

void LogWriter::finish_sync(const Sync& sync) {
  durable_ = sync.slot;
  if (seeded(Bug::ack_at_end_of_sync)) {
    durable_.durable_sequence = sequence_;
  }
  if (sync.next) {
    segment_ = sync.next;
    segments_.push_back(segment_->first);
    offset_ = sync.slot.durable_offset;
    started_ = offset_;
    room_end_ = static_cast<std::uint64_t>(std::max<std::int64_t>(segment_->file->size(), 0));
    positions_offset_ = sync.slot.positions_offset;
  }
}

void LogWriter::forget_before(std::uint64_t first) {
  std::erase_if(segments_, [first](std::uint64_t one) { return one < first; });
}

Status LogWriter::close() {
  if (has_unsynced()) {
    Sync sync = begin_sync(false);
    if (Status synced = run_sync(sync); !synced) {
      return synced;
    }
    finish_sync(sync);
  }
  if (!sync_error_ && room_end_ > offset_) {
    (void)segment_->file->ftruncate(offset_);  // what remains does no harm
  }
  return sync_error_ ? Status(*sync_error_) : head_.sync();
}

}  // namespace fl
