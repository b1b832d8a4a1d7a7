// fl-channel ls: the segments of a log.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/component/command_type.h"
#include "tools/fl-channel/view/log_view.h"

namespace fl {
namespace {

struct Options {
  std::string directory;
  std::string format = "text";
};

Result<int> run(const std::shared_ptr<void>& erased) {
  const Options& options = *std::static_pointer_cast<Options>(erased);
  Result<LogView> view = open_view(options.directory, log_notice, NoHead::read);
  if (!view) {
    return view.error();
  }
  const Result<std::vector<LogNotice>> missing = missing_segments(*view);
  if (!missing) {
    return missing.error();
  }
  std::for_each(missing->begin(), missing->end(), log_notice);
  const HeadSlot& head = view->reader->head();
  Result<std::vector<std::uint64_t>> firsts = list_segments(*view->files);
  if (!firsts) {
    return firsts.error();
  }
  const bool is_json = options.format == "json";
  std::string out =
      is_json ? ""
              : fmt::format("{:>20} {:>12} {:>12}  {}\n", "FIRST", "EVENTS", "BYTES", "CREATED");
  std::string rows;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < firsts->size(); ++i) {
    const std::uint64_t first = (*firsts)[i];
    const std::uint64_t end = i + 1 < firsts->size() ? (*firsts)[i + 1] : head.durable_sequence;
    Result<std::optional<Segment>> segment =
        open_segment(*view->files, first, LogFiles::Open::read);
    if (!segment) {
      return segment.error();
    }
    if (!*segment) {
      continue;  // removed meanwhile
    }
    auto bytes = static_cast<std::uint64_t>(std::max<std::int64_t>((*segment)->file->size(), 0));
    if (first == head.segment_first) {
      bytes = std::min(bytes, head.durable_offset);  // room for more may follow
    }
    total += bytes;
    const std::uint64_t count = std::max(end, first) - first;
    if (is_json) {
      rows += fmt::format("{}{{\"first\":{},\"events\":{},\"bytes\":{},\"created_ms\":{}}}",
                          rows.empty() ? "" : ",", first, count, bytes, (*segment)->created_ms);
    } else {
      out += fmt::format("{:>20} {:>12} {:>12}  {}\n", first, count, bytes,
                         utc_text((*segment)->created_ms));
    }
  }
  const std::uint64_t oldest = firsts->empty() ? head.durable_sequence : firsts->front();
  if (is_json) {
    out =
        fmt::format("{{\"log\":\"{}\",\"first\":{},\"next\":{},\"bytes\":{},\"segments\":[{}]}}\n",
                    view->reader->log_text(), oldest, head.durable_sequence, total, rows);
  } else {
    out += fmt::format(
        "log {}: {}, next event {}, {} bytes\n", view->reader->log_text(),
        count_of(head.durable_sequence - std::min(oldest, head.durable_sequence), "event"),
        head.durable_sequence, total);
  }
  return print_out(out);
}

}  // namespace

CommandType ls_command() {
  CommandType command;
  command.name = "ls";
  command.summary = "lists the segments of a log";
  command.description =
      "Prints a line for each segment of the log in DIR: the number of its first event, how many "
      "events and bytes it has, and when it was made. A segment that the head or a group needs and "
      "that is gone is reported. The log may be in use.";
  command.examples = {
      {"fl-source seq --count 10 | fl-channel file log --put; fl-channel ls log", "A small log."}};
  OptionTable<Options> table;
  add_directory(table);
  add_format(table, "For people, or one JSON object.");
  command.options = std::move(table).erased();
  command.run = run;
  return command;
}

}  // namespace fl
