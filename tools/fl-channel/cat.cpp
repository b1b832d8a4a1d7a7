// fl-channel cat: the events of a log.
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/component/command_type.h"
#include "common/event/event.h"
#include "common/stream/json_line.h"
#include "tools/fl-channel/view/log_view.h"

namespace fl {
namespace {

struct Options {
  std::string directory;
  std::string from = "oldest";
  std::uint64_t count = 0;
  std::string format = "text";
};

constexpr std::size_t kFlushBytes = 64 << 10;

// The event's own members after where it is.
void append_json(std::string& out, std::uint64_t number, std::uint64_t time_ms,
                 const Event& event) {
  out += fmt::format("{{\"number\":{},\"time_ms\":{},", number, time_ms);
  const std::size_t brace = out.size();
  append_json_line(out, event);
  out.erase(brace, 1);
  out += '\n';
}

Result<int> run(const std::shared_ptr<void>& erased) {
  const Options& options = *std::static_pointer_cast<Options>(erased);
  const Result<LogPlace> from = parse_place(options.from);
  if (!from) {
    return from.error();
  }
  Result<LogView> view = open_view(options.directory, log_notice, NoHead::read);
  if (!view) {
    return view.error();
  }
  LogReader& reader = *view->reader;
  if (from->kind == LogPlace::Kind::oldest) {
    if (Status found = reader.seek_oldest(); !found) {
      return found.error();
    }
  } else {
    const Result<std::uint64_t> start = number_of(reader, *from);
    if (!start) {
      return start.error();
    }
    reader.seek(*start);
  }
  const EventLimits limits = widest_limits();
  std::uint64_t left = options.count == 0 ? UINT64_MAX : options.count;
  std::string out;
  while (left > 0) {
    Result<LogReader::Got> got = reader.next();
    if (!got) {
      return got.error();
    }
    if (*got == LogReader::Got::nothing) {
      break;
    }
    if (*got == LogReader::Got::gap) {
      continue;  // reported
    }
    const std::uint8_t* at = reader.block().data;
    const std::uint8_t* const end = at + reader.block().size;
    for (std::uint64_t i = 0; i < reader.block().count && left > 0; ++i, --left) {
      Event event;
      const char* why = nullptr;
      at = scan_event(at, end, limits, event, why);
      if (at == nullptr) {
        return Error{
            ErrorClass::input, fmt::format("event {} is damaged: {}", reader.first() + i, why), {}};
      }
      if (options.format == "json") {
        append_json(out, reader.first() + i, reader.time_ms(), event);
      } else {
        out.append(event.body()) += '\n';
      }
    }
    if (out.size() >= kFlushBytes) {
      if (Result<int> printed = print_out(out); !printed) {
        return printed;
      }
      out.clear();
    }
  }
  if (Result<int> printed = print_out(out); !printed) {
    return printed;
  }
  return reader.missing() > 0 ? static_cast<int>(ErrorClass::input) : 0;
}

}  // namespace

CommandType cat_command() {
  CommandType command;
  command.name = "cat";
  command.summary = "prints the events of a log";
  command.description =
      "Prints the events of the log in DIR up to the last durable one, without taking them: no "
      "group's position changes, and the log may be in use. As text each body is a line; as JSON "
      "each event is an object with its number, the time when it was put, headers and body "
      "(body64 in base 64 where it is not UTF-8, as fl-sink stdout prints it). Missing events are "
      "reported, and the status is then 65.";
  command.examples = {
      {"fl-source seq --count 10 | fl-channel file log --put; fl-channel cat log --from 7",
       "The events from number 7 on."}};
  OptionTable<Options> table;
  add_directory(table);
  table
      .add("from", &Options::from, "oldest|newest|N|TIME",
           "Where to begin: at the oldest event, after the newest one, at an event's number, or at "
           "the first event put at or after a time.")
      .not_empty();
  table.add("count", &Options::count, "N", "How many events at most; 0: all.");
  add_format(table, "Bodies as lines, or JSON objects.");
  command.options = std::move(table).erased();
  command.run = run;
  return command;
}

}  // namespace fl
