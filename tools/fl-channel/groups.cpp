// fl-channel groups: how far each group has got; moves and removes one.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/command_type.h"
#include "common/log/log_cursor.h"
#include "tools/fl-channel/view/log_view.h"

namespace fl {
namespace {

struct Options {
  std::string directory;
  std::string group;
  std::string to;
  std::uint64_t skip = 0;
  bool remove = false;
  std::string format = "text";
};

// How long ago the oldest event was put that the group has not acknowledged; 0: it has all.
std::uint64_t age_of(LogView& view, std::uint64_t next) {
  view.reader->seek(next);
  for (;;) {
    const Result<LogReader::Got> got = view.reader->next();
    if (!got || *got == LogReader::Got::nothing) {
      return 0;
    }
    if (*got == LogReader::Got::block) {
      const auto now = static_cast<std::uint64_t>(wall_ms());
      return now - std::min(now, view.reader->time_ms());
    }
  }
}

std::string age_text(std::uint64_t ms) {
  const std::uint64_t seconds = ms / 1000;
  return seconds < 600            ? fmt::format("{}s", seconds)
         : seconds < 36'000       ? fmt::format("{}m", seconds / 60)
         : seconds < 48 * 3'600UL ? fmt::format("{}h", seconds / 3'600)
                                  : fmt::format("{}d", seconds / 86'400);
}

Result<int> list(LogView& view, const Options& options) {
  const Result<std::vector<std::string>> names = list_groups(*view.files);
  if (!names) {
    return names.error();
  }
  if (!options.group.empty() &&
      std::find(names->begin(), names->end(), options.group) == names->end()) {
    return no_such_group(*view.files, options.group);
  }
  const std::uint64_t end = view.reader->durable_sequence();
  const bool is_json = options.format == "json";
  std::string out = is_json ? ""
                            : fmt::format("{:<24} {:>20} {:>12} {:>8}  {}\n", "GROUP", "NEXT",
                                          "LAG", "AGE", "MOVED");
  for (const std::string& name : *names) {
    if (!options.group.empty() && name != options.group) {
      continue;
    }
    const Result<GroupState> state = read_group(*view.files, name, false);
    if (!state) {
      return state.error();
    }
    if (state->name.empty()) {
      continue;  // removed meanwhile
    }
    if (const std::string damaged = damaged_position(*state, view.reader->log());
        state->how == Decoded::ok && !damaged.empty()) {
      log(LogLevel::warning, damaged);
    }
    const CursorSlot& slot = state->slot;
    const std::uint64_t age_ms = state->how == Decoded::ok ? age_of(view, slot.next_sequence) : 0;
    const std::uint64_t lag = end - std::min(end, slot.next_sequence);
    if (state->how != Decoded::ok) {
      out += is_json ? fmt::format("{{\"group\":{},\"damaged\":true}}\n", json_quoted(name))
                     : fmt::format("{:<24} {:>20} {:>12} {:>8}  -\n", name, "damaged", "-", "-");
    } else if (is_json) {
      out += fmt::format(
          "{{\"group\":{},\"next\":{},\"lag\":{},\"moved_ms\":{},\"age_ms\":{},\"created_ms\":{}}}"
          "\n",
          json_quoted(name), slot.next_sequence, lag, slot.moved_ms, age_ms, slot.created_ms);
    } else {
      out += fmt::format("{:<24} {:>20} {:>12} {:>8}  {}\n", name, slot.next_sequence, lag,
                         lag == 0 ? "-" : age_text(age_ms), utc_text(slot.moved_ms));
    }
  }
  return print_out(out);
}

// Where the group is to go on.
Result<std::uint64_t> target(LogView& view, const Options& options,
                             std::optional<std::uint64_t> next) {
  if (options.skip == 0) {
    const Result<LogPlace> place = parse_place(options.to);
    return place ? number_of(*view.reader, *place) : Result<std::uint64_t>(place.error());
  }
  if (!next) {
    return Error{ErrorClass::input,
                 fmt::format("the position of group '{}' is damaged", printable(options.group)),
                 "set the position with --to"};
  }
  const std::uint64_t end = view.reader->durable_sequence();
  return std::min(std::max(end, *next), *next + std::min(options.skip, UINT64_MAX - *next));
}

// What the group does not get, or gets once more.
std::string report(const Options& options, const GroupMove& move) {
  const std::uint64_t skipped = move.to - std::min(move.from, move.to);
  const std::uint64_t again = move.from - std::min(move.from, move.to);
  if (options.format == "json") {
    return fmt::format("{{\"group\":{},\"from\":{},\"next\":{},\"skipped\":{},\"again\":{}}}\n",
                       json_quoted(options.group), move.from, move.to, skipped, again);
  }
  std::string words;
  if (skipped > 0) {
    words = skipped == 1
                ? fmt::format(", 1 event skipped: {}", move.from)
                : fmt::format(", {} events skipped: {} to {}", skipped, move.from, move.to - 1);
  } else if (again > 0) {
    words = fmt::format(", {} again", count_of(again, "event"));
  }
  return fmt::format("group '{}': next event {}{}\n", options.group, move.to, words);
}

Result<int> run(const std::shared_ptr<void>& erased) {
  const Options& options = *std::static_pointer_cast<Options>(erased);
  const int changes =
      (options.to.empty() ? 0 : 1) + (options.skip == 0 ? 0 : 1) + (options.remove ? 1 : 0);
  if (changes > 1) {
    return Error{ErrorClass::usage, "--to, --skip and --remove exclude each other", {}};
  }
  if (changes == 1 && !is_group_name(options.group)) {
    return Error{ErrorClass::usage, "--to, --skip and --remove need --group NAME", {}};
  }
  Result<LogView> view = open_view(options.directory, nullptr, NoHead::refused);
  if (!view) {
    return view.error();
  }
  if (changes == 0) {
    return list(*view, options);
  }
  if (options.remove) {
    const Status removed = remove_group(*view->files, options.group);
    return removed ? print_out(options.format == "json"
                                   ? fmt::format("{{\"group\":{},\"removed\":true}}\n",
                                                 json_quoted(options.group))
                                   : fmt::format("group '{}' removed\n", options.group))
                   : Result<int>(removed.error());
  }
  const Result<GroupMove> moved =
      move_group(*view->files, view->reader->log(), options.group,
                 [&](std::optional<std::uint64_t> next) { return target(*view, options, next); });
  return moved ? print_out(report(options, *moved)) : Result<int>(moved.error());
}

}  // namespace

CommandType groups_command() {
  CommandType command;
  command.name = "groups";
  command.summary = "lists the groups of a log, moves or removes one";
  command.description =
      "Prints a line for each group that takes from the log in DIR: the number of its next event, "
      "how many events it has left, how long ago the oldest of these was put, and when it moved "
      "last. The log may be in use.\n\n"
      "With --to or --skip the group given by --group continues elsewhere, and how many events it "
      "skips or gets again is printed; with --remove it is forgotten, and what only it needed is "
      "freed. That is refused (75) while somebody takes for the group. Nothing else skips an "
      "event: a sink that can never take one ends each time, until --skip 1 is given. A log "
      "further down the pipeline takes a group that was moved for a new one, so what is to come "
      "again does come again.";
  command.examples = {
      {"fl-source seq --count 10 | fl-channel file log --put; "
       "fl-channel file log --take --once | fl-sink null; fl-channel groups log",
       "One group, which has taken everything."},
      {"fl-source seq --count 10 | fl-channel file log2 | fl-sink null; "
       "fl-channel groups log2 --group default --to oldest",
       "The group gets everything again."},
  };
  OptionTable<Options> table;
  add_directory(table);
  table.add("group", &Options::group, "NAME", "The group; without it all are listed.").not_empty();
  table
      .add("to", &Options::to, "oldest|newest|N|TIME",
           "Continue the group here: at the oldest event, after the newest one, at an event's "
           "number, or at the first event put at or after a time.")
      .not_empty();
  table.add("skip", &Options::skip, "N",
            "Let the group skip its next N events, such as one that its sink can never take.");
  table.add("remove", &Options::remove, "BOOL", "Remove the group.");
  add_format(table, "For people, or one JSON object per group.");
  command.options = std::move(table).erased();
  command.run = run;
  return command;
}

}  // namespace fl
