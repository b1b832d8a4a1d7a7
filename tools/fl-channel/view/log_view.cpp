#include "tools/fl-channel/view/log_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "common/log/log_cursor.h"
#include "common/log/segment_window.h"

namespace fl {
namespace {

// The number after the last whole record before `limit`; that of the segment, if it has none.
// Larger and larger parts at the end are searched: most often the first one has it.
Result<std::uint64_t> last_number(const LogFiles& files, const Segment& segment,
                                  std::uint64_t limit) {
  SegmentWindow window;
  window.reset(segment.file.get(), limit);
  std::uint64_t number = segment.first;
  const std::uint64_t most = limit - std::min<std::uint64_t>(limit, kSegmentHeaderBytes);
  for (std::uint64_t part = 0; part < most && number == segment.first;) {
    part = std::min(most, std::max<std::uint64_t>(SegmentWindow::kUsual, 2 * part));
    std::uint64_t at = limit - part;
    std::int64_t result = 0;
    while (segment.id != 0 && window.find(at, segment.id, segment.first, UINT64_MAX, result)) {
      RecordHeader header;
      std::uint8_t* payload = nullptr;
      (void)window.record(at, segment.id, header, payload, result);
      number = header.end_sequence();
      at += record_bytes(header.length);
    }
    if (result < 0) {
      return log_error(files, "read", segment_name(segment.first), result);
    }
  }
  return number;
}

}  // namespace

Result<LogView> open_view(const std::string& directory, const LogNotify& notify, NoHead no_head) {
  LogView view;
  Result<std::unique_ptr<LogFiles>> files = open_log_files(directory, false);
  if (!files) {
    return files.error();
  }
  view.files = std::move(*files);
  LogReader::Settings settings;
  settings.join_bytes = 0;
  settings.sets_aside = false;
  settings.notify = notify;
  Result<LogReader> reader = LogReader::open(*view.files, settings);
  if (!reader) {
    return reader.error();
  }
  view.reader = std::make_unique<LogReader>(std::move(*reader));
  const auto tell = [&](std::string text) {
    if (notify) {
      notify({LogNotice::Kind::state, 0, 0, std::move(text)});
    }
  };
  if (view.reader->exists()) {
    if (view.reader->head_lacks_slot()) {
      tell(fmt::format("'{}/{}' has a damaged slot: the last events may not be shown; {}",
                       directory, kHeadName, repair_hint(directory)));
    }
    return view;
  }
  const bool is_damaged = view.reader->head_state() == HeadFile::State::damaged;
  const Result<std::vector<std::uint64_t>> segments = list_segments(*view.files);
  if (!segments) {
    return segments.error();
  }
  if (segments->empty() && !is_damaged) {
    return Error{ErrorClass::input, fmt::format("'{}' holds no log", directory),
                 "give the directory that fl-channel file writes, or has written"};
  }
  const std::string what =
      fmt::format("'{}/{}' is {}", directory, kHeadName, is_damaged ? "damaged" : "missing");
  if (no_head == NoHead::refused || segments->empty()) {
    return Error{ErrorClass::input, what, repair_hint(directory)};
  }
  tell(fmt::format("{}: the segments are read as far as records are whole; {}", what,
                   repair_hint(directory)));
  if (Status found = view.reader->read_without_head(); !found) {
    return found.error();
  }
  return view;
}

Result<std::vector<LogNotice>> missing_segments(LogView& view) {
  std::vector<LogNotice> notices;
  Result<std::vector<std::uint64_t>> firsts = list_segments(*view.files);
  const auto has = [&](std::uint64_t first) {
    return std::binary_search(firsts->begin(), firsts->end(), first);
  };
  if (firsts && !has(view.reader->head().segment_first)) {
    // A writer may have gone on meanwhile.
    if (const Result<bool> newer = view.reader->refresh(); !newer) {
      return newer.error();
    }
    firsts = list_segments(*view.files);
  }
  if (!firsts) {
    return firsts.error();
  }
  const std::string& directory = view.files->path();
  if (const std::uint64_t used = view.reader->head().segment_first; !has(used)) {
    notices.push_back({LogNotice::Kind::damage, used, 0,
                       fmt::format("'{}/{}' is missing", directory, segment_name(used))});
  }
  // Before the groups are read: what they need is not removed after that.
  const std::uint64_t oldest = firsts->empty() ? view.reader->durable_sequence() : firsts->front();
  const Result<std::vector<std::string>> groups = list_groups(*view.files);
  if (!groups) {
    return groups.error();
  }
  for (const std::string& name : *groups) {
    const Result<GroupState> group = read_group(*view.files, name, false);
    if (!group) {
      return group.error();
    }
    const std::uint64_t next = group->slot.next_sequence;
    if (group->how == Decoded::ok && !group->lacks_slot && next < oldest) {
      notices.push_back({LogNotice::Kind::missing, next, oldest - next,
                         fmt::format("'{}': events {} to {} are missing, which group '{}' has not "
                                     "acknowledged: their segments were removed",
                                     directory, next, oldest - 1, name)});
    }
  }
  return notices;
}

Result<std::vector<Gap>> gaps_in(LogView& view, const Segment& segment, std::uint64_t end,
                                 std::vector<LogNotice>& notices) {
  LogReader& reader = *view.reader;
  const std::int64_t size = segment.file->size();
  if (size < 0) {
    return log_error(*view.files, "stat", segment_name(segment.first), size);
  }
  auto limit = static_cast<std::uint64_t>(size);
  if (segment.first == reader.head().segment_first && end == reader.durable_sequence()) {
    limit = std::min(limit, reader.head().durable_offset);
  }
  const Result<std::uint64_t> last = last_number(*view.files, segment, limit);
  if (!last) {
    return last.error();
  }
  std::vector<Gap> gaps;
  if (*last >= end) {
    return gaps;
  }
  reader.seek(segment.first);
  while (reader.sequence() < end) {
    const Result<LogReader::Got> got = reader.next();
    if (!got) {
      return got.error();
    }
    if (*got == LogReader::Got::nothing) {
      break;
    }
    if (*got == LogReader::Got::gap && !reader.is_freed()) {
      gaps.push_back({reader.first(), reader.count()});
    } else if (*got == LogReader::Got::gap && !notices.empty()) {
      notices.pop_back();  // the log is in use, and nobody needs them any more
    }
  }
  return gaps;
}

Result<std::uint64_t> number_of(LogReader& reader, const LogPlace& place) {
  switch (place.kind) {
    case LogPlace::Kind::newest:
      return reader.durable_sequence();
    case LogPlace::Kind::number:
      return std::min(place.value, reader.durable_sequence());
    case LogPlace::Kind::time:
      return reader.at_time(place.value);
    case LogPlace::Kind::oldest:
      break;
  }
  return reader.oldest();
}

std::string utc_text(std::uint64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  std::array<char, 32> text{};
  if (ms == 0 || ::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    return "-";
  }
  return text.data();
}

Result<int> print_out(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno != EINTR) {
      return system_error(ErrorClass::io, "cannot write to stdout", errno);
    }
    text.remove_prefix(static_cast<std::size_t>(n < 0 ? 0 : n));
  }
  return 0;
}

}  // namespace fl
