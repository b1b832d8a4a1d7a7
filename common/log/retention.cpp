#include "common/log/retention.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "common/log/format.h"
#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

// Sets groups, needed and slowest.
Status look_at_groups(LogFiles& files, const std::optional<LogId>& log, std::uint64_t oldest,
                      bool synced, LogUse& use) {
  Result<std::vector<std::string>> names = list_groups(files);
  if (!names) {
    return names.error();
  }
  use.groups.clear();
  use.slowest.clear();
  use.read_error.reset();
  std::optional<std::uint64_t> needed;
  for (const std::string& name : *names) {
    const Result<GroupState> read = read_group(files, name, synced);
    if (read && read->name.empty()) {
      continue;  // removed meanwhile
    }
    if (read && read->sync_error) {
      use.sync_error = read->sync_error;
      return {};
    }
    GroupState state;
    if (read) {
      state = *read;
    } else {
      use.read_error = read.error();
    }
    state.name = name;
    if (state.how == Decoded::ok && log && state.slot.log != *log) {
      state.how = Decoded::damaged;
    }
    const std::uint64_t unknown = seeded(Bug::cursor_damage_frees) ? UINT64_MAX : 0;
    const std::uint64_t next = state.how == Decoded::ok ? state.slot.next_sequence : unknown;
    const bool is_slower =
        seeded(Bug::unlink_unread) ? next > needed.value_or(0) : next < needed.value_or(UINT64_MAX);
    if (!needed || is_slower) {
      needed = next;
      use.slowest = name;
    }
    use.groups.push_back(std::move(state));
  }
  use.needed = std::max(needed.value_or(oldest), oldest);
  return {};
}

SegmentFacts facts_of(LogFiles& files, std::uint64_t first) {
  SegmentFacts facts;
  std::unique_ptr<LogFile> file;
  if (uninterrupted([&] { return files.open(segment_name(first), LogFiles::Open::read, file); }) ==
      0) {
    facts.bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(file->size(), 0));
    std::string bytes;
    SegmentHeader header;
    if (read_fully(*file, bytes, kSegmentHeaderBytes, 0) >= 0 &&
        decode(bytes, header) == Decoded::ok) {
      facts.created_ms = header.created_ms;
    }
  }
  return facts;
}

}  // namespace

Result<LogUse> free_segments(LogFiles& files, const std::vector<std::uint64_t>& segments,
                             const RetentionSettings& settings, KnownSegments* known) {
  LogUse use;
  KnownSegments unknown;
  known = known == nullptr ? &unknown : known;
  Result<std::unique_ptr<LogFile>> lock = lock_groups(files);
  if (!lock) {
    return lock.error();
  }
  const std::uint64_t oldest = segments.empty() ? 0 : segments.front();
  use.first = oldest;
  if (Status looked = look_at_groups(files, settings.log, oldest, false, use); !looked) {
    return looked.error();
  }
  std::vector<SegmentFacts> facts;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto found = known->find(segments[i]);
    facts.push_back(found != known->end()
                        ? found->second
                        : known->emplace(segments[i], facts_of(files, segments[i])).first->second);
    use.sealed_bytes += facts.back().bytes;
  }
  const auto is_passed = [&](std::size_t i) {
    const std::uint64_t allowed = use.needed + (seeded(Bug::hidden_6) ? 1 : 0);
    return i + 1 < segments.size() && segments[i + 1] <= allowed;
  };
  const auto is_kept = [&](std::size_t i) {
    if (settings.needs_room && i == 0) {
      return false;
    }
    if (settings.keep_bytes != 0 && use.sealed_bytes <= settings.keep_bytes) {
      return true;
    }
    // A segment is as old as its newest event, which came before the next segment was made.
    const std::uint64_t ended = i + 2 < segments.size()
                                    ? facts[i + 1].created_ms
                                    : facts_of(files, segments[i + 1]).created_ms;
    return settings.keep_ms != 0 &&
           files.now_ms() - static_cast<std::int64_t>(ended) < settings.keep_ms;
  };
  if (is_passed(0) && !is_kept(0)) {
    // What was read may be newer than what is on disk.
    if (Status looked = look_at_groups(files, settings.log, oldest, true, use); !looked) {
      return looked.error();
    }
    if (use.sync_error) {
      return use;
    }
  }
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const bool drops = settings.drops_oldest && i == 0;
    if (!drops && (!is_passed(i) || is_kept(i))) {
      break;
    }
    // An existing spare is removed. Nothing is written into the new one before its old name is gone
    // for good.
    const std::string name = segment_name(segments[i]);
    int removed = -EINVAL;
    if (settings.keeps_spare) {
      removed = uninterrupted([&] { return files.rename(name, kSpareName); });
    }
    if (removed != 0 && removed != -ENOENT) {
      removed = uninterrupted([&] { return files.unlink(name); });
    }
    if (removed != 0 && removed != -ENOENT) {
      return log_error(files, "remove", segment_name(segments[i]), removed);
    }
    // One after the other, so that what is left is always the newer part.
    const bool syncs = !settings.keeps_spare || !seeded(Bug::spare_not_removed);
    if (const int synced = syncs ? uninterrupted([&] { return files.sync_dir(""); }) : 0;
        synced != 0) {
      use.sync_error = log_error(files, "sync", "", synced);
      return use;
    }
    if (segments[i + 1] > use.needed) {
      use.events_dropped += segments[i + 1] - std::max(use.needed, segments[i]);
      use.needed = segments[i + 1];
    }
    use.first = segments[i + 1];
    use.sealed_bytes -= facts[i].bytes;
    ++use.segments_freed;
  }
  if (use.groups.empty()) {
    use.needed = use.first;
  }
  if (!settings.keeps_spare) {
    (void)files.unlink(kSpareName);
  }
  known->erase(known->begin(), known->lower_bound(use.first));
  return use;
}

}  // namespace fl
