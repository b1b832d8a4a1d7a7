#include "common/log/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/log.h"
#include "common/event/event.h"
#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr int kOpenTries = 5;

}  // namespace

EventLimits widest_limits() {
  EventLimits limits;
  limits.body_bytes = kMaxPayload;
  limits.header_bytes = kMaxPayload;
  limits.headers = UINT32_MAX;
  limits.name_bytes = kMaxPayload;
  limits.value_bytes = kMaxPayload;
  return limits;
}

Result<LogReader> LogReader::open(LogFiles& files, const Settings& settings) {
  Result<HeadFile> head = HeadFile::open(files, LogFiles::Open::read);
  if (!head) {
    return head.error();
  }
  return LogReader(files, settings, std::move(*head));
}

std::string LogReader::log_text() const {
  std::string text;
  for (const std::uint8_t byte : log()) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

Result<bool> LogReader::refresh() {
  const std::uint64_t segment = head_.slot().segment_first;
  Result<bool> newer = head_.refresh();
  if (newer && *newer) {
    if (head_.slot().segment_first != segment) {
      is_listed_ = false;
      if (Status listed = list(); !listed) {
        return listed.error();
      }
    }
    if (Status limited = set_limit(); !limited) {
      return limited.error();
    }
  }
  return newer;
}

Status LogReader::list() {
  if (is_listed_) {
    return {};
  }
  Result<std::vector<std::uint64_t>> firsts = list_segments(*files_);
  if (!firsts) {
    return firsts.error();
  }
  segments_ = std::move(*firsts);
  is_listed_ = true;
  return {};
}

Status LogReader::read_without_head() {
  is_listed_ = false;
  if (Status listed = list(); !listed || segments_.empty()) {
    return listed;
  }
  HeadSlot end;
  end.segment_first = end.durable_sequence = segments_.back();
  end.durable_offset = kSegmentHeaderBytes;
  Result<std::optional<Segment>> last =
      open_segment(*files_, end.segment_first, LogFiles::Open::read);
  if (!last) {
    return last.error();
  }
  if (*last && (*last)->id != 0) {
    const std::int64_t size = (*last)->file->size();
    if (size < 0) {
      return log_error(*files_, "stat", segment_name(end.segment_first), size);
    }
    SegmentWindow window;
    window.reset((*last)->file.get(), static_cast<std::uint64_t>(size));
    std::uint64_t at = end.durable_offset;
    std::int64_t result = 0;
    while (window.find(at, (*last)->id, end.durable_sequence, UINT64_MAX, result)) {
      RecordHeader header;
      std::uint8_t* payload = nullptr;
      (void)window.record(at, (*last)->id, header, payload, result);
      end.positions_offset = header.kind == RecordKind::positions ? at : end.positions_offset;
      at += record_bytes(header.length);
      end.durable_sequence = header.end_sequence();
      end.durable_offset = at;
    }
    if (result < 0) {
      return log_error(*files_, "read", segment_name(end.segment_first), result);
    }
    end.log = (*last)->log.value_or(LogId());
  }
  head_.assume(end);
  return {};
}

Result<std::uint64_t> LogReader::oldest() {
  is_listed_ = false;
  if (Status listed = list(); !listed) {
    return listed.error();
  }
  return segments_.empty() ? durable_sequence() : std::min(segments_.front(), durable_sequence());
}

Result<std::uint64_t> LogReader::at_time(std::uint64_t ms) {
  Result<std::uint64_t> from = oldest();
  if (!from) {
    return from;
  }
  // The last segment that begins before this time has the first event after it, or the next one. A
  // clock that was put back makes later ones look older: they do not count.
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    Result<std::optional<Segment>> segment =
        open_segment(*files_, segments_[i], LogFiles::Open::read);
    if (!segment) {
      return segment.error();
    }
    if (*segment && (*segment)->log) {
      if ((*segment)->created_ms >= ms) {
        break;
      }
      from = segments_[i];
    }
  }
  Settings quiet = settings_;
  quiet.join_bytes = 0;
  quiet.sets_aside = false;
  quiet.notify = nullptr;
  Result<LogReader> reader = open(*files_, quiet);
  if (!reader) {
    return reader.error();
  }
  if (!reader->exists()) {
    reader->head_.assume(head_.slot());
  }
  reader->seek(*from);
  for (;;) {
    Result<Got> got = reader->next();
    if (!got) {
      return got.error();
    }
    if (*got == Got::nothing) {
      return reader->durable_sequence();
    }
    if (*got == Got::block && reader->time_ms() >= ms) {
      return reader->first();
    }
  }
}

Result<std::string> LogReader::damaged_positions() {
  for (;;) {
    const HeadSlot slot = head_.slot();
    if (slot.positions_offset == 0) {
      return std::string();
    }
    Result<std::optional<Segment>> segment =
        open_segment(*files_, slot.segment_first, LogFiles::Open::read);
    if (!segment) {
      return segment.error();
    }
    if (*segment) {
      SegmentWindow window;
      window.reset((*segment)->file.get(), slot.durable_offset);
      RecordHeader header;
      std::uint8_t* payload = nullptr;
      std::int64_t result = 0;
      const auto found =
          window.record(slot.positions_offset, (*segment)->id, header, payload, result);
      if (result < 0) {
        return log_error(*files_, "read", segment_name(slot.segment_first), result);
      }
      if (found == SegmentWindow::Found::record && header.kind == RecordKind::positions) {
        return std::string();
      }
    }
    const Result<bool> newer = refresh();  // a writer may have gone on to another segment
    if (!newer) {
      return newer.error();
    }
    if (!*newer) {
      return *segment ? fmt::format(
                            "'{}': the newest positions of the sources at {} of {} are damaged",
                            files_->path(), slot.positions_offset, segment_name(slot.segment_first))
                      : std::string();
    }
  }
}

void LogReader::seek(std::uint64_t sequence) {
  unguard();
  segment_.reset();
  damage_.clear();
  sequence_ = sequence;
  is_at_oldest_ = false;
}

Status LogReader::seek_oldest() {
  const Result<std::uint64_t> first = oldest();
  if (!first) {
    return first.error();
  }
  seek(*first);
  is_at_oldest_ = true;
  return {};
}

// The first number that is not in the open segment, or not durable yet.
std::uint64_t LogReader::end_of_segment() const {
  if (seeded(Bug::reads_past_durable) && segment_->first == head_.slot().segment_first) {
    return UINT64_MAX;
  }
  const auto next = std::upper_bound(segments_.begin(), segments_.end(), segment_->first);
  return next == segments_.end() ? durable_sequence() : std::min(*next, durable_sequence());
}

// After the durable end of the segment in use a record may be half written.
Status LogReader::set_limit() {
  if (!segment_) {
    return {};
  }
  if (segment_->first == head_.slot().segment_first && !seeded(Bug::reads_past_durable)) {
    window_.raise_limit(head_.slot().durable_offset);
    return {};
  }
  const std::int64_t size = segment_->file->size();
  if (size < 0) {
    return log_error(*files_, "stat", segment_name(segment_->first), size);
  }
  window_.raise_limit(static_cast<std::uint64_t>(size));
  return {};
}

// Opens the segment that holds the event, or would.
Status LogReader::open_segment_at(std::uint64_t sequence) {
  for (int i = 0; i < kOpenTries; ++i) {
    if (Status listed = list(); !listed) {
      return listed;
    }
    const auto after = std::upper_bound(segments_.begin(), segments_.end(), sequence);
    if (after == segments_.begin()) {
      return {};
    }
    Result<std::optional<Segment>> opened =
        open_segment(*files_, *(after - 1), LogFiles::Open::read);
    if (!opened) {
      return opened.error();
    }
    if (*opened) {
      segment_ = std::move(**opened);
      if (!segment_->log && settings_.notify && segment_->first != headerless_) {
        headerless_ = segment_->first;
        settings_.notify(
            {LogNotice::Kind::damage, headerless_, 0, damaged_header(*files_, headerless_)});
      }
      window_.reset(segment_->file.get(), 0);
      if (Status limited = set_limit(); !limited) {
        segment_.reset();
        return limited;
      }
      offset_ = kSegmentHeaderBytes;
      chain_ = segment_->first;
      damage_.clear();
      return {};
    }
    is_listed_ = false;  // it was freed just now
  }
  return {};
}

LogReader::Got LogReader::gap_to(std::uint64_t to, std::string why, bool is_freed) {
  is_freed_ = is_freed;
  first_ = sequence_;
  count_ = to - sequence_;
  why_ = std::move(why);
  time_ms_ = 0;
  last_time_ms_ = 0;
  sequence_ = to;
  missing_ += count_;
  if (settings_.notify && !seeded(Bug::gap_is_silent)) {
    settings_.notify({LogNotice::Kind::missing, first_, count_,
                      fmt::format("'{}': events {} to {} are missing: {}", files_->path(), first_,
                                  to - 1, why_)});
  }
  return Got::gap;
}

Result<LogReader::Got> LogReader::step() {
  for (;;) {
    if (sequence_ >= durable_sequence() && !seeded(Bug::reads_past_durable)) {
      return Got::nothing;
    }
    if (!segment_) {
      if (Status opened = open_segment_at(sequence_); !opened) {
        return opened.error();
      }
      if (!segment_) {
        const std::uint64_t to = segments_.empty()
                                     ? durable_sequence()
                                     : std::min(segments_.front(), durable_sequence());
        if (to <= sequence_) {
          return Got::nothing;
        }
        if (is_at_oldest_) {
          sequence_ = to;
          continue;
        }
        return gap_to(to, "their segments were removed", true);
      }
    }
    const std::uint64_t end = end_of_segment();
    if (chain_ >= end) {
      if (end > sequence_) {
        return gap_to(end, damage_.empty() ? "no record has them" : std::exchange(damage_, {}));
      }
      if (end >= durable_sequence()) {
        return Got::nothing;
      }
      segment_.reset();
      continue;
    }
    RecordHeader header;
    std::uint8_t* payload = nullptr;
    std::int64_t result = 0;
    const auto found = window_.record(offset_, segment_->id, header, payload, result);
    if (result < 0) {
      return log_error(*files_, "read", segment_name(segment_->first), result);
    }
    if (found != SegmentWindow::Found::record || header.first_sequence < chain_ ||
        header.first_sequence > end) {
      if (seeded(Bug::reads_past_durable) && found == SegmentWindow::Found::none) {
        return Got::nothing;
      }
      if (Status passed = pass_damage(); !passed) {
        return passed.error();
      }
      continue;
    }
    if (header.first_sequence > chain_) {
      chain_ = header.first_sequence;
      if (header.first_sequence > sequence_) {
        return gap_to(header.first_sequence,
                      damage_.empty() ? "no record has them" : std::exchange(damage_, {}));
      }
    }
    record_offset_ = offset_;
    offset_ += record_bytes(header.length);
    chain_ = header.end_sequence();
    if (chain_ <= sequence_) {
      continue;  // positions, or before what is asked for
    }
    if (header.kind == RecordKind::gap) {
      return gap_to(chain_, printable({reinterpret_cast<const char*>(payload), header.length}));
    }
    const Result<bool> whole = unpack(header, payload);
    if (!whole) {
      return whole.error();
    }
    if (!*whole) {
      return gap_to(chain_, std::exchange(damage_, {}));
    }
    if (header.first_sequence < sequence_ && !trim(header, payload)) {
      return gap_to(chain_, fmt::format("record at {} of {} cannot be divided", record_offset_,
                                        segment_name(segment_->first)));
    }
    block_ = {payload, header.length, header.count};
    first_ = sequence_;
    time_ms_ = header.time_ms;
    last_time_ms_ = header.time_ms;
    sequence_ = chain_;
    return Got::block;
  }
}

// False: the record holds, but its payload cannot be unpacked; damage_ says why.
Result<bool> LogReader::unpack(RecordHeader& header, std::uint8_t*& payload) {
  is_unpacked_ = PayloadUnpacker::is_packed(header);
  const Status done = unpacker_.unpack(header, payload);
  if (!done && done.error().kind != ErrorClass::input) {
    return done.error();
  }
  if (!done) {
    std::string copy;
    if (settings_.sets_aside) {
      set_aside(*files_, *segment_->file, header.first_sequence, record_offset_, offset_, copy);
    }
    damage_ = fmt::format("the record at {} of {} cannot be unpacked: {}{}", record_offset_,
                          segment_name(segment_->first), done.error().message,
                          copy.empty() ? "" : ", kept in " + copy);
  }
  return done.ok();
}

// The first events of the block were taken before.
bool LogReader::trim(RecordHeader& header, std::uint8_t*& payload) {
  static const EventLimits limits = widest_limits();
  std::uint64_t skip = sequence_ - header.first_sequence;
  if (seeded(Bug::hidden_2)) {
    ++skip;
  }
  const std::uint8_t* at = payload;
  const std::uint8_t* const end = payload + header.length;
  for (std::uint64_t i = 0; i < skip && i < header.count; ++i) {
    Event event;
    const char* why = nullptr;
    at = scan_event(at, end, limits, event, why);
    if (at == nullptr) {
      return false;
    }
  }
  header.count -= static_cast<std::uint32_t>(std::min<std::uint64_t>(skip, header.count));
  header.length = static_cast<std::uint32_t>(end - at);
  payload += at - payload;
  return header.count > 0;
}

// A writer that opened the log may have put a new file in the place of the open one; or it was
// removed, and may be overwritten.
Result<bool> LogReader::was_replaced() {
  if (Result<bool> newer = head_.refresh(); !newer) {
    return newer;
  }
  is_listed_ = false;
  if (Status listed = list(); !listed) {
    return listed.error();
  }
  Result<std::optional<Segment>> now = open_segment(*files_, segment_->first, LogFiles::Open::read);
  if (!now) {
    return now.error();
  }
  if (Status limited = set_limit(); !limited) {
    return limited.error();
  }
  return !*now || (*now)->id != segment_->id;
}

// No record is at offset_: continues with the next one that is whole. The numbers between are gone.
Status LogReader::pass_damage() {
  const Result<bool> replaced = was_replaced();
  if (!replaced) {
    return replaced.error();
  }
  if (*replaced) {
    segment_.reset();
    return {};
  }
  const std::string name = segment_name(segment_->first);
  const std::uint64_t end = end_of_segment();
  if (chain_ >= end) {
    return {};  // the list of segments has changed: what is here is stale
  }
  std::uint64_t next = offset_;
  std::int64_t result = 0;
  bool found = window_.find(next, segment_->id, chain_, end, result);
  if (result < 0) {
    return log_error(*files_, "read", name, result);
  }
  found = found && !seeded(Bug::damage_ends_segment);
  const bool is_in_use = segment_->first == head_.slot().segment_first;
  if (!found) {
    const std::int64_t size = segment_->file->size();
    if (size < 0) {
      return log_error(*files_, "stat", name, size);
    }
    next = is_in_use ? head_.slot().durable_offset : static_cast<std::uint64_t>(size);
    next = std::max(next, offset_);
  }
  if (next > offset_) {
    std::string copy;
    if (settings_.sets_aside) {
      set_aside(*files_, *segment_->file, chain_, offset_, next, copy);
    }
    damage_ = fmt::format("{} bytes at {} of {} are damaged{}", next - offset_, offset_, name,
                          copy.empty() ? "" : ", kept in " + copy);
    if (settings_.notify) {
      settings_.notify(
          {LogNotice::Kind::damage, chain_, 0, "'" + files_->path() + "': " + damage_});
    }
  }
  offset_ = next;
  if (!found) {
    chain_ = end;  // in the segment in use the next record comes at the durable end
  }
  return {};
}

// Small records that follow, and are in memory, become one block with the first.
void LogReader::join() {
  const std::uint64_t end = end_of_segment();
  while (!is_unpacked_ && block_.count < settings_.join_events && chain_ < end) {
    const std::size_t held = window_.held(offset_);
    if (held < kRecordHeaderBytes) {
      return;
    }
    std::int64_t result = 0;
    const std::uint8_t* const bytes = window_.at(offset_, kRecordHeaderBytes, result);
    RecordHeader header;
    if (!decode(bytes, header) || header.segment_id != segment_->id ||
        header.kind != RecordKind::block || header.first_sequence != chain_ ||
        PayloadUnpacker::is_packed(header) || held - kRecordHeaderBytes < header.length ||
        block_.size + header.length > settings_.join_bytes ||
        block_.count + header.count > settings_.join_events ||
        (!checks(bytes, header) && !seeded(Bug::hidden_3))) {
      return;
    }
    std::memmove(block_.data + block_.size, bytes + kRecordHeaderBytes, header.length);
    block_.size += header.length;
    block_.count += header.count;
    last_time_ms_ = header.time_ms;
    offset_ += record_bytes(header.length);
    chain_ = header.end_sequence();
    sequence_ = chain_;
  }
}

// The output that writes the block puts a marker after it, where the next record may begin.
void LogReader::guard() {
  guard_at_ = block_.data + block_.size;
  std::memcpy(guarded_, guard_at_, sizeof guarded_);
}

void LogReader::unguard() {
  if (guard_at_ != nullptr && !seeded(Bug::hidden_4)) {
    std::memcpy(guard_at_, guarded_, sizeof guarded_);
  }
  guard_at_ = nullptr;
}

Result<LogReader::Got> LogReader::next() {
  unguard();
  Result<Got> got = step();
  is_at_oldest_ = is_at_oldest_ && got && *got == Got::nothing;
  if (got && *got == Got::block) {
    if (settings_.join_bytes > 0) {
      join();
    }
    count_ = block_.count;
    guard();
  }
  return got;
}

}  // namespace fl
