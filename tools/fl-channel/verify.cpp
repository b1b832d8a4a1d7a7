// fl-channel verify: reads everything and says what is damaged.
#include <fmt/format.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/command_type.h"
#include "common/log/log_cursor.h"
#include "tools/fl-channel/view/log_view.h"

namespace fl {
namespace {

struct Options {
  std::string directory;
  std::string format = "text";
};

Result<int> run(const std::shared_ptr<void>& erased) {
  const Options& options = *std::static_pointer_cast<Options>(erased);
  std::vector<LogNotice> notices;
  Result<LogView> view = open_view(
      options.directory, [&](const LogNotice& notice) { notices.push_back(notice); }, NoHead::read);
  if (!view) {
    return view.error();
  }
  LogReader& reader = *view->reader;
  if (Status found = reader.seek_oldest(); !found) {
    return found.error();
  }
  std::uint64_t events = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t freed = 0;
  for (;;) {
    Result<LogReader::Got> got = reader.next();
    if (!got) {
      return got.error();
    }
    if (*got == LogReader::Got::nothing) {
      break;
    }
    if (*got == LogReader::Got::gap && reader.is_freed() && !notices.empty()) {
      freed += reader.count();  // the log is in use, and nobody needs them any more
      notices.pop_back();
    }
    if (*got == LogReader::Got::block) {
      events += reader.block().count;
      bytes += reader.block().size;
      ++records;
    }
  }
  const Result<std::string> positions = reader.damaged_positions();
  if (!positions) {
    return positions.error();
  }
  if (!positions->empty()) {
    notices.push_back({LogNotice::Kind::damage, 0, 0, *positions});
  }
  const Result<std::vector<LogNotice>> gone = missing_segments(*view);
  if (!gone) {
    return gone.error();
  }
  notices.insert(notices.end(), gone->begin(), gone->end());
  const Result<std::vector<std::string>> groups = list_groups(*view->files);
  if (!groups) {
    return groups.error();
  }
  for (const std::string& name : *groups) {
    const Result<GroupState> state = read_group(*view->files, name, false);
    if (!state) {
      return state.error();
    }
    const std::string damaged =
        state->name.empty() ? std::string() : damaged_position(*state, reader.log());
    if (!damaged.empty()) {
      notices.push_back({LogNotice::Kind::state, 0, 0, damaged});
    }
  }
  std::string out;
  if (options.format == "json") {
    std::string problems;
    for (const LogNotice& notice : notices) {
      problems += (problems.empty() ? "" : ",") + json_quoted(notice.text);
    }
    out = fmt::format(
        "{{\"events\":{},\"records\":{},\"bytes\":{},\"missing\":{},\"problems\":[{}]}}\n", events,
        records, bytes, reader.missing() - freed, problems);
  } else {
    for (const LogNotice& notice : notices) {
      out += printable(notice.text) + "\n";
    }
    out += fmt::format("{} in {}, {} bytes, {} missing\n", count_of(events, "event"),
                       count_of(records, "record"), bytes, reader.missing() - freed);
  }
  if (Result<int> printed = print_out(out); !printed) {
    return printed;
  }
  return notices.empty() ? 0 : static_cast<int>(ErrorClass::input);
}

}  // namespace

CommandType verify_command() {
  CommandType command;
  command.name = "verify";
  command.summary = "checks a log";
  command.description =
      "Reads every durable record of the log in DIR, the positions of its sources and those of its "
      "groups, and checks them. "
      "Prints each problem and a summary; the status is 65 if there is a problem: damage, also of "
      "the head, and segments that are missing. Without a head, records are read as far as they "
      "are "
      "whole. Nothing is changed, and the log may be in use.";
  command.examples = {
      {"fl-source seq --count 10 | fl-channel file log --put; fl-channel verify log",
       "A sound log."}};
  OptionTable<Options> table;
  add_directory(table);
  add_format(table, "For people, or one JSON object.");
  command.options = std::move(table).erased();
  command.run = run;
  return command;
}

}  // namespace fl
