#include "common/log/segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "common/log/head_file.h"
#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"
#include "common/log/segment_window.h"

namespace fl {
namespace {

constexpr std::size_t kCopyBytes = 1 << 20;

std::string new_name(std::uint64_t first) { return fmt::format("{:020}.tmp", first); }

}  // namespace

Result<std::vector<std::uint64_t>> list_segments(LogFiles& files) {
  std::vector<std::string> names;
  if (const int listed = uninterrupted([&] {
        names.clear();
        return files.list("", names);
      });
      listed != 0) {
    return log_error(files, "list", "", listed);
  }
  std::vector<std::uint64_t> firsts;
  for (const std::string& name : names) {
    if (const auto first = segment_of_name(name)) {
      firsts.push_back(*first);
    }
  }
  std::sort(firsts.begin(), firsts.end());
  return firsts;
}

Result<std::optional<Segment>> open_segment(LogFiles& files, std::uint64_t first,
                                            LogFiles::Open how) {
  Segment segment;
  segment.first = first;
  const std::string name = segment_name(first);
  const int opened = uninterrupted([&] { return files.open(name, how, segment.file); });
  if (opened == -ENOENT) {
    return std::optional<Segment>();
  }
  if (opened != 0) {
    return log_error(files, "open", name, opened);
  }
  std::string bytes;
  if (const std::int64_t n = read_fully(*segment.file, bytes, kSegmentHeaderBytes, 0); n < 0) {
    return log_error(files, "read", name, n);
  }
  SegmentHeader header;
  const Decoded how_read = decode(bytes, header);
  if (how_read == Decoded::other_version) {
    return later_version(files, name);
  }
  if (how_read == Decoded::ok) {
    segment.id = header.segment_id;
    segment.log = header.log;
    segment.created_ms = header.created_ms;
    segment.stale_bytes = header.stale_bytes;
    return std::optional<Segment>(std::move(segment));
  }
  std::uint8_t record[kRecordHeaderBytes];
  const std::int64_t n = read_fully(*segment.file, record, sizeof record, kSegmentHeaderBytes);
  if (n < 0) {
    return log_error(files, "read", name, n);
  }
  RecordHeader found;
  if (n == sizeof record && decode(record, found) && found.first_sequence == first) {
    SegmentWindow window;
    const std::int64_t size = segment.file->size();
    if (size < 0) {
      return log_error(files, "stat", name, size);
    }
    window.reset(segment.file.get(), static_cast<std::uint64_t>(size));
    std::uint8_t* payload = nullptr;
    std::int64_t result = 0;
    if (window.record(kSegmentHeaderBytes, found.segment_id, found, payload, result) ==
        SegmentWindow::Found::record) {
      segment.id = found.segment_id;
    }
  }
  return std::optional<Segment>(std::move(segment));
}

std::string damaged_header(const LogFiles& files, std::uint64_t first) {
  return fmt::format("'{}/{}' has a damaged header; it is read by the id of its first record",
                     files.path(), segment_name(first));
}

std::optional<NewSegment> NewSegment::begin(LogFiles& files, const LogId& log, std::uint64_t first,
                                            int& result, std::uint64_t spare_bytes) {
  NewSegment made;
  Segment& segment = made.segment_;
  segment.first = first;
  segment.log = log;
  result = 0;
  if (spare_bytes > 0 && made.take_spare(files, spare_bytes)) {
    made.name_ = kSpareName;
  } else {
    made.name_ = new_name(first);
    result = made.make(files);
  }
  if (result != 0) {
    return std::nullopt;
  }
  do {
    segment.id = files.random();
  } while (segment.id == 0);
  if (segment.stale_bytes > 0 && seeded(Bug::spare_keeps_id)) {
    std::string old;
    SegmentHeader before;
    if (read_fully(*segment.file, old, kSegmentHeaderBytes, 0) > 0 &&
        decode(old, before) == Decoded::ok) {
      segment.id = before.segment_id;
    }
  }
  SegmentHeader header;
  header.log = log;
  header.segment_id = segment.id;
  header.first_sequence = first;
  header.created_ms = static_cast<std::uint64_t>(files.now_ms());
  header.stale_bytes = segment.stale_bytes;
  result = write_fully(*segment.file, encode(header), 0);
  if (result != 0) {
    (void)files.unlink(made.name_);
    return std::nullopt;
  }
  return made;
}

// False: there is none that fits.
bool NewSegment::take_spare(LogFiles& files, std::uint64_t most_bytes) {
  const int opened =
      uninterrupted([&] { return files.open(kSpareName, LogFiles::Open::write, segment_.file); });
  if (opened != 0) {
    return false;
  }
  const std::int64_t size = segment_.file->size();
  if (size < 0 || static_cast<std::uint64_t>(size) > most_bytes) {
    segment_.file.reset();
    return false;
  }
  segment_.stale_bytes = static_cast<std::uint64_t>(size);
  return true;
}

// 0, or -errno. What a crash left under the name is of no use.
int NewSegment::make(LogFiles& files) {
  const int removed = uninterrupted([&] { return files.unlink(name_); });
  if (removed != 0 && removed != -ENOENT) {
    return removed;
  }
  return uninterrupted(
      [&] { return files.open(name_, LogFiles::Open::create_new, segment_.file); });
}

Status NewSegment::finish(LogFiles& files, Segment& segment, bool& full) {
  full = false;
  if (!seeded(Bug::name_before_header)) {
    if (const int synced = sync_fully(*segment_.file); synced != 0) {
      return log_error(files, "sync", name_, synced);
    }
  }
  if (const int renamed =
          uninterrupted([&] { return files.rename(name_, segment_name(segment_.first)); });
      renamed != 0) {
    full = is_full(renamed);
    return log_error(files, "rename", name_, renamed);
  }
  if (!seeded(Bug::no_directory_sync)) {
    if (const int synced = uninterrupted([&] { return files.sync_dir(""); }); synced != 0) {
      return log_error(files, "sync", "", synced);
    }
  }
  segment = std::move(segment_);
  return {};
}

void set_aside(LogFiles& files, LogFile& segment, std::uint64_t sequence, std::uint64_t from,
               std::uint64_t to, std::string& name) {
  const std::string copy = fmt::format("{}/{:020}-{}.bad", kQuarantineName, sequence, from);
  name.clear();
  if (const int made = files.mkdir(kQuarantineName); made != 0 && made != -EEXIST) {
    return;
  }
  std::unique_ptr<LogFile> file;
  const int opened =
      uninterrupted([&] { return files.open(copy, LogFiles::Open::create_new, file); });
  if (opened == -EEXIST) {
    name = copy;
  }
  if (opened != 0) {
    return;
  }
  std::string bytes;
  for (std::uint64_t at = from; at < to;) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kCopyBytes, to - at));
    const std::int64_t n = read_fully(segment, bytes, part, at);
    if (n <= 0) {
      break;  // what can be read is in the copy
    }
    if (write_fully(*file, bytes, at - from) != 0) {
      (void)files.unlink(copy);
      return;
    }
    at += static_cast<std::uint64_t>(n);
  }
  name = copy;
}

}  // namespace fl
