#include "common/log/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/log/log_cursor.h"
#include "common/log/log_io.h"
#include "common/log/record_copy.h"
#include "common/log/seeded_bug.h"
#include "common/log/segment_window.h"

namespace fl {
namespace {

constexpr std::size_t kLookBytes = 64 << 10;

class Recovery {
 public:
  Recovery(LogFiles& files, HeadFile& head, const LogNotify& notify, bool& full)
      : files_(files), head_(head), notify_(notify), full_(full) {}

  Result<LogEnd> run() {
    full_ = false;
    Result<std::vector<std::uint64_t>> firsts = list_segments(files_);
    if (!firsts) {
      return firsts.error();
    }
    Status status = make_directories();
    if (status && firsts->empty()) {
      status = without_segments();
    } else if (status) {
      status = with_segments(firsts->back());
    }
    if (status) {
      status = publish();
    }
    // A retry finds the same again: it is reported once.
    for (const LogNotice& notice : notices_) {
      if (notify_ && !(!status && full_)) {
        notify_(notice);
      }
    }
    if (!status) {
      return status.error();
    }
    return std::move(end_);
  }

 private:
  // The error of a call on `name`; notes whether the disk is full.
  Error failed(const char* action, const std::string& name, std::int64_t result) {
    full_ = is_full(result);
    return log_error(files_, action, name, result);
  }

  void tell(LogNotice::Kind kind, std::string text, std::uint64_t first = 0,
            std::uint64_t count = 0) {
    notices_.push_back({kind, first, count, std::move(text)});
  }

  Status make_directories() {
    for (const char* const name : {kGroupsName, kQuarantineName}) {
      const int made = uninterrupted([&] { return files_.mkdir(name); });
      if (made != 0 && made != -EEXIST) {
        return failed("make", name, made);
      }
    }
    // Made by a taker it might be closed to the writer, and then nothing could be freed.
    std::unique_ptr<LogFile> lock;
    const int opened =
        uninterrupted([&] { return files_.open(kGroupsLockName, LogFiles::Open::create, lock); });
    return opened == 0 ? Status() : Status(failed("open", kGroupsLockName, opened));
  }

  bool has_slot() const { return head_.state() == HeadFile::State::ok; }

  Status without_segments() {
    std::uint64_t first = 0;
    if (has_slot()) {
      end_.log = head_.slot().log;
      first = head_.slot().durable_sequence;
      tell(LogNotice::Kind::damage,
           fmt::format("'{}' has no segment left; going on with event {}", files_.path(), first));
    } else {
      for (std::size_t i = 0; i < end_.log.size(); i += 8) {
        const std::uint64_t part = files_.random();
        std::memcpy(end_.log.data() + i, &part, sizeof part);
      }
      first = highest_cursor(files_);
    }
    return begin_fresh(first) ? finish_fresh() : failed("make a segment in", "", result_);
  }

  Status with_segments(std::uint64_t last) {
    Result<std::optional<Segment>> opened = open_segment(files_, last, LogFiles::Open::write);
    if (!opened) {
      return opened.error();
    }
    if (!*opened) {
      return log_error(files_, "open", segment_name(last), -ENOENT);
    }
    old_ = std::move(**opened);
    size_ = old_.file->size();
    if (size_ < 0) {
      return failed("read", segment_name(last), size_);
    }
    window_.reset(old_.file.get(), static_cast<std::uint64_t>(size_));
    if (!old_.log && old_.id != 0) {
      tell(LogNotice::Kind::damage, damaged_header(files_, last));
    }
    if (!has_slot()) {
      return by_scan();
    }
    const HeadSlot& slot = head_.slot();
    if (head_.lacks_slot()) {
      tell(LogNotice::Kind::state,
           fmt::format("'{}/{}' has a damaged slot; looking for what follows event {}",
                       files_.path(), kHeadName, slot.durable_sequence));
    }
    end_.log = slot.log;
    if (slot.segment_first > last) {
      tell(LogNotice::Kind::damage,
           fmt::format("'{}' lacks its last segment; going on with event {}", files_.path(),
                       slot.durable_sequence));
      if (slot.positions_offset != 0) {
        if (Status found = older_positions(last, UINT64_MAX); !found) {
          return found;
        }
        tell_of_positions("are missing with it");
      }
      return begin_fresh(slot.durable_sequence) && copy_positions()
                 ? finish_fresh()
                 : failed("make a segment in", "", result_);
    }
    // Before a segment gets its name, all of the one before is durable.
    const bool is_in_last = slot.segment_first == last;
    durable_ = is_in_last ? slot.durable_sequence : last;
    durable_offset_ = is_in_last ? slot.durable_offset : kSegmentHeaderBytes;
    if (slot.positions_offset != 0) {
      // A new segment begins with a copy, which is part of its tail while no slot names it.
      if (Status read = read_positions(is_in_last ? slot.positions_offset : kSegmentHeaderBytes);
          !read) {
        return read;
      }
      if (!is_in_last && !are_positions_damaged_) {
        end_.positions.clear();
      }
    }
    return by_slot();
  }

  Status read_positions(std::uint64_t offset) {
    RecordHeader header;
    std::uint8_t* payload = nullptr;
    const auto found = window_.record(offset, old_.id, header, payload, result_);
    if (result_ < 0) {
      return failed("read", segment_name(old_.first), result_);
    }
    if (found == SegmentWindow::Found::record && header.kind == RecordKind::positions) {
      end_.positions.assign(reinterpret_cast<const char*>(payload), header.length);
      end_.positions_offset = offset;
      return {};
    }
    return replace_positions(offset);
  }

  // Those at `offset`, which count, are damaged. What an older table does not know comes again; one
  // that is ahead of its events would lose some.
  Status replace_positions(std::uint64_t offset) {
    are_positions_damaged_ = true;
    if (seeded(Bug::positions_damage_ignored)) {
      return {};
    }
    if (Status found = older_positions(old_.first, offset); !found) {
      return found;
    }
    const auto size = static_cast<std::uint64_t>(size_);
    std::uint64_t end = offset;
    if (!window_.find(end, old_.id, 0, UINT64_MAX, result_)) {
      if (result_ < 0) {
        return failed("read", segment_name(old_.first), result_);
      }
      end = offset < durable_offset_ ? durable_offset_ : size;
    }
    std::string copy;
    if (end = std::min(end, size); end > offset) {
      set_aside(files_, *old_.file, durable_, offset, end, copy);
    }
    tell_of_positions(fmt::format("at {} of {} are damaged{}", offset, segment_name(old_.first),
                                  copy.empty() ? "" : ", kept in '" + copy + "'"));
    return {};
  }

  void tell_of_positions(const std::string& what) {
    tell(LogNotice::Kind::damage,
         fmt::format("'{}': the newest positions of the sources {}; {}, so that sources may send "
                     "events again",
                     files_.path(), what,
                     end_.positions.empty() ? "there are no older ones" : "older ones are used"));
  }

  // The newest positions that are whole and before `offset` of the segment that begins with
  // `first`, or else in an older segment.
  Status older_positions(std::uint64_t first, std::uint64_t offset) {
    Result<std::vector<std::uint64_t>> firsts = list_segments(files_);
    if (!firsts) {
      return firsts.error();
    }
    // What has a higher number may be in the file without being part of the log.
    std::uint64_t most = has_slot() ? head_.slot().durable_sequence : UINT64_MAX;
    while (!firsts->empty() && end_.positions.empty()) {
      const std::uint64_t one = firsts->back();
      firsts->pop_back();
      if (one > first) {
        continue;
      }
      Result<std::optional<Segment>> opened = open_segment(files_, one, LogFiles::Open::read);
      if (!opened) {
        return opened.error();
      }
      if (!*opened || (*opened)->id == 0) {
        continue;
      }
      const Segment& segment = **opened;
      const std::int64_t size = segment.file->size();
      if (size < 0) {
        return failed("read", segment_name(one), size);
      }
      const std::uint64_t all = static_cast<std::uint64_t>(size);
      SegmentWindow window;
      window.reset(segment.file.get(), one == first ? std::min(all, offset) : all);
      std::uint64_t at = kSegmentHeaderBytes;
      std::uint64_t sequence = one;
      bool begins_without = false;
      while (window.find(at, segment.id, sequence, most, result_)) {
        RecordHeader header;
        std::uint8_t* payload = nullptr;
        (void)window.record(at, segment.id, header, payload, result_);
        if (header.kind == RecordKind::positions) {
          end_.positions.assign(reinterpret_cast<const char*>(payload), header.length);
        } else if (at == kSegmentHeaderBytes) {
          begins_without = true;
        }
        sequence = header.end_sequence();
        at += record_bytes(header.length);
      }
      if (result_ < 0) {
        return failed("read", segment_name(one), result_);
      }
      if (begins_without) {
        break;  // then there were none before it
      }
      most = one;
    }
    return {};
  }

  // Whole records from the durable end on: `tail_end_` is where they end. One that counts only with
  // its second is cut off with it.
  Status scan_tail() {
    tail_end_ = durable_offset_;
    tail_sequence_ = durable_;
    if (seeded(Bug::tail_cut)) {
      return {};
    }
    std::uint64_t at = tail_end_;
    std::uint64_t sequence = tail_sequence_;
    for (;;) {
      RecordHeader header;
      std::uint8_t* payload = nullptr;
      const auto found = window_.record(at, old_.id, header, payload, result_);
      if (result_ < 0) {
        return failed("read", segment_name(old_.first), result_);
      }
      const bool whole =
          found == SegmentWindow::Found::record ||
          (seeded(Bug::torn_tail_kept) && found == SegmentWindow::Found::damaged &&
           header.segment_id == old_.id &&
           header.length <= static_cast<std::uint64_t>(size_) - at - kRecordHeaderBytes);
      if (!whole || header.first_sequence != sequence) {
        return {};
      }
      at += record_bytes(header.length);
      sequence = header.end_sequence();
      if ((header.flags & kFlagHasSecond) == 0) {
        tail_end_ = at;
        tail_sequence_ = sequence;
      }
    }
  }

  // Something other than zeros follows the last whole record, up to torn_end_. In a file that was
  // overwritten only the beginning of a record counts.
  Result<bool> has_torn_tail() {
    std::string bytes;
    torn_end_ = static_cast<std::uint64_t>(size_);
    if (tail_end_ < old_.stale_bytes) {
      RecordHeader header;
      const std::int64_t n = read_fully(*old_.file, bytes, kRecordHeaderBytes, tail_end_);
      if (n < 0) {
        return failed("read", segment_name(old_.first), n);
      }
      if (bytes.size() < kRecordHeaderBytes ||
          !decode(reinterpret_cast<const std::uint8_t*>(bytes.data()), header) ||
          header.segment_id != old_.id) {
        return false;
      }
      torn_end_ = std::min(torn_end_, tail_end_ + record_bytes(header.length));
      return true;
    }
    for (std::uint64_t at = tail_end_; at < static_cast<std::uint64_t>(size_);) {
      const std::int64_t n = read_fully(*old_.file, bytes, kLookBytes, at);
      if (n < 0) {
        return failed("read", segment_name(old_.first), n);
      }
      if (n == 0) {
        break;
      }
      if (bytes.find_first_not_of('\0') != std::string::npos) {
        return true;
      }
      at += static_cast<std::uint64_t>(n);
    }
    return false;
  }

  Status by_slot() {
    if (old_.id == 0 || static_cast<std::uint64_t>(size_) < durable_offset_) {
      tell(LogNotice::Kind::damage, fmt::format("'{}/{}' is damaged: cut or without a header",
                                                files_.path(), segment_name(old_.first)));
      return begin_fresh(durable_) && copy_positions() ? finish_fresh()
                                                       : failed("make a segment in", "", result_);
    }
    if (Status scanned = scan_tail(); !scanned) {
      return scanned;
    }
    Result<bool> torn = has_torn_tail();
    if (!torn) {
      return torn.error();
    }
    if (*torn && !seeded(Bug::tail_cut)) {
      std::string copy;
      set_aside(files_, *old_.file, tail_sequence_, tail_end_, torn_end_, copy);
      tell(LogNotice::Kind::torn_tail,
           fmt::format("'{}': {} bytes after event {} were not completely written and never "
                       "acknowledged{}",
                       files_.path(), torn_end_ - tail_end_, tail_sequence_,
                       copy.empty() ? "" : "; kept in '" + copy + "'"),
           tail_sequence_);
    }
    // In a file that was overwritten, and not cut at a clean end, records of this life may follow
    // further on; new records must never reach them.
    const bool has_stale =
        size_ > static_cast<std::int64_t>(tail_end_) && tail_end_ < old_.stale_bytes;
    const bool clean = tail_end_ == durable_offset_ && !has_stale &&
                       (!*torn || seeded(Bug::hidden_7)) &&
                       (!are_positions_damaged_ || seeded(Bug::positions_damage_ignored));
    if (clean || seeded(Bug::tail_synced_again) || seeded(Bug::tail_cut) ||
        seeded(Bug::torn_tail_kept)) {
      return go_on();
    }
    // A copy with the old file's name is found by the old slot until a newer one is on disk: what
    // the slot says must hold there, too.
    const bool keeps_places =
        durable_ == old_.first && is_whole(durable_offset_) && !seeded(Bug::copy_moves_places);
    const std::uint64_t from = keeps_places ? kSegmentHeaderBytes : durable_offset_;
    if (!begin_fresh(durable_) || (!keeps_places && !copy_positions()) ||
        !copy_->records(window_, old_.id, from, tail_end_, result_)) {
      return failed("copy the end of", segment_name(old_.first), result_);
    }
    return finish_fresh();
  }

  // Whole records, one after the other, are before `end`.
  bool is_whole(std::uint64_t end) {
    std::uint64_t at = kSegmentHeaderBytes;
    RecordHeader header;
    std::uint8_t* payload = nullptr;
    while (at < end &&
           window_.record(at, old_.id, header, payload, result_) == SegmentWindow::Found::record) {
      at += record_bytes(header.length);
    }
    return at == end;
  }

  // Continues where the last writer stopped.
  Status go_on() {
    if (seeded(Bug::tail_synced_again)) {
      (void)sync_fully(*old_.file);
    }
    end_.offset = tail_end_;
    end_.sequence = tail_sequence_;
    end_.segment = std::move(old_);
    return {};
  }

  // Without a slot nothing says where the durable end is: everything that can be read is copied.
  Status by_scan() {
    tell(LogNotice::Kind::state,
         fmt::format("'{}/{}' is {}; looking through the last segment", files_.path(), kHeadName,
                     head_.state() == HeadFile::State::missing ? "missing" : "damaged"));
    if (old_.log) {
      end_.log = *old_.log;
    } else if (Status found = log_of_older(); !found) {
      return found;
    }
    if (!begin_fresh(old_.first)) {
      return failed("make a segment in", "", result_);
    }
    std::uint64_t offset = kSegmentHeaderBytes;
    bool is_damaged = false;
    while (old_.id != 0) {
      std::uint64_t next = offset;
      if (!window_.find(next, old_.id, copy_->sequence(), UINT64_MAX, result_)) {
        if (result_ < 0) {
          return failed("read", segment_name(old_.first), result_);
        }
        break;
      }
      RecordHeader header;
      std::uint8_t* payload = nullptr;
      (void)window_.record(next, old_.id, header, payload, result_);
      const std::uint64_t end = next + record_bytes(header.length);
      if (next > offset) {
        is_damaged = true;
        std::string copy;
        set_aside(files_, *old_.file, copy_->sequence(), offset, next, copy);
        if (header.first_sequence > copy_->sequence()) {
          add_gap(header.first_sequence, "a damaged record");
        } else {
          tell_of_bytes(offset, next, copy);
        }
      }
      if (!copy_->records(window_, old_.id, next, end, result_)) {
        return failed("copy", segment_name(old_.first), result_);
      }
      offset = end;
    }
    tail_end_ = offset;
    const Result<bool> torn = has_torn_tail();
    if (!torn) {
      return torn.error();
    }
    if (*torn) {
      is_damaged = true;
      std::string copy;
      set_aside(files_, *old_.file, copy_->sequence(), tail_end_, torn_end_, copy);
      tell_of_bytes(tail_end_, torn_end_, copy);
    }
    if (is_damaged && copy_->positions_offset() == 0) {
      if (Status found = older_positions(old_.first, kSegmentHeaderBytes); !found) {
        return found;
      }
      (void)copy_positions();
    }
    // No number is given twice, even if its record is gone.
    if (const std::uint64_t taken = highest_cursor(files_); taken > copy_->sequence()) {
      add_gap(taken, "the end of the log");
    }
    return result_ < 0 ? Status(failed("copy", segment_name(old_.first), result_)) : finish_fresh();
  }

  // Nothing says what they were: with positions of the sources among them, older ones count.
  void tell_of_bytes(std::uint64_t from, std::uint64_t to, const std::string& copy) {
    tell(LogNotice::Kind::damage,
         fmt::format(
             "'{}': {} bytes at {} of {} cannot be read as records{}; sources may send events "
             "again",
             files_.path(), to - from, from, segment_name(old_.first),
             copy.empty() ? "" : ", kept in '" + copy + "'"));
  }

  // A log whose last segment has no header has its id from another one.
  Status log_of_older() {
    Result<std::vector<std::uint64_t>> firsts = list_segments(files_);
    if (!firsts) {
      return firsts.error();
    }
    for (const std::uint64_t first : *firsts) {
      Result<std::optional<Segment>> one = open_segment(files_, first, LogFiles::Open::read);
      if (one && *one && (*one)->log) {
        end_.log = *(*one)->log;
        return {};
      }
    }
    for (std::size_t i = 0; i < end_.log.size(); i += 8) {
      const std::uint64_t part = files_.random();
      std::memcpy(end_.log.data() + i, &part, sizeof part);
    }
    return {};
  }

  void add_gap(std::uint64_t to, const char* what) {
    const std::uint64_t from = copy_->sequence();
    tell(LogNotice::Kind::missing,
         fmt::format("'{}': events {} to {} are missing: {} cannot be read", files_.path(), from,
                     to - 1, what),
         from, to - from);
    (void)copy_->gap(to, std::string("lost: ") + what + " could not be read",
                     static_cast<std::uint64_t>(files_.now_ms()), result_);
  }

  bool begin_fresh(std::uint64_t first) {
    int result = 0;
    fresh_ = NewSegment::begin(files_, end_.log, first, result);
    result_ = result;
    if (!fresh_) {
      return false;
    }
    copy_.emplace(fresh_->file(), fresh_->id(), first);
    return true;
  }

  bool copy_positions() {
    return end_.positions.empty() ||
           copy_->positions(end_.positions, static_cast<std::uint64_t>(files_.now_ms()), result_);
  }

  Status finish_fresh() {
    if (!copy_->flush(result_)) {
      return failed("write", segment_name(copy_->first()), result_);
    }
    end_.sequence = copy_->sequence();
    end_.offset = copy_->offset();
    end_.positions_offset = copy_->positions_offset();
    if (end_.positions_offset != 0) {
      end_.positions = copy_->newest_positions();
    }
    return fresh_->finish(files_, end_.segment, full_);
  }

  Status publish() {
    HeadSlot slot;
    slot.log = end_.log;
    slot.durable_sequence = end_.sequence;
    slot.segment_first = end_.segment.first;
    slot.durable_offset = end_.offset;
    slot.positions_offset = end_.positions_offset;
    if (!has_slot()) {
      if (Status made = head_.create(slot, full_); !made) {
        return made;
      }
    } else if (Status synced = head_.sync(); !synced) {  // a killed writer may not have
      return synced;
    }
    // Also a name that was found: its maker may have been killed before it was synced.
    if (const int synced = uninterrupted([&] { return files_.sync_dir(""); }); synced != 0) {
      return log_error(files_, "sync", "", synced);
    }
    if (Status published = head_.publish(slot, &full_); !published) {
      return published;
    }
    return head_.sync();
  }

  LogFiles& files_;
  HeadFile& head_;
  const LogNotify& notify_;
  bool& full_;
  std::vector<LogNotice> notices_;
  std::int64_t result_ = 0;

  LogEnd end_;
  Segment old_;  // the last segment as it was found
  std::int64_t size_ = 0;
  SegmentWindow window_;
  std::uint64_t durable_ = 0;
  std::uint64_t durable_offset_ = 0;
  std::uint64_t tail_end_ = 0;
  std::uint64_t tail_sequence_ = 0;
  std::uint64_t torn_end_ = 0;
  bool are_positions_damaged_ = false;
  std::optional<NewSegment> fresh_;
  std::optional<RecordCopy> copy_;
};

}  // namespace

Result<LogEnd> recover_log(LogFiles& files, HeadFile& head, const LogNotify& notify, bool& full) {
  return Recovery(files, head, notify, full).run();
}

}  // namespace fl
