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

// The segments, from the oldest on, and a head that is at least as new.
Result<std::vector<std::uint64_t>> list(LogView& view) {
  Result<std::vector<std::uint64_t>> firsts = list_segments(*view.files);
  if (!firsts || !view.reader->exists()) {
    return firsts;
  }
  const Result<bool> newer = view.reader->refresh();
  if (!newer) {
    return newer.error();
  }
  return *newer ? list_segments(*view.files) : firsts;
}

class Listing {
 public:
  explicit Listing(bool is_json) : is_json_(is_json) {
    if (!is_json_) {
      rows_ = fmt::format("{:>20} {:>12} {:>12}  {}\n", "FIRST", "EVENTS", "BYTES", "CREATED");
    }
  }

  void add(const Segment& segment, std::uint64_t events, std::uint64_t bytes) {
    bytes_ += bytes;
    if (is_json_) {
      rows_ +=
          fmt::format("{}{{\"first\":{},\"events\":{},\"bytes\":{},\"created_ms\":{}}}",
                      rows_.empty() ? "" : ",", segment.first, events, bytes, segment.created_ms);
    } else {
      rows_ += fmt::format("{:>20} {:>12} {:>12}  {}\n", segment.first, events, bytes,
                           utc_text(segment.created_ms));
    }
  }

  void add(const Gap& gap) {
    missing_ += gap.count;
    if (is_json_) {
      gaps_ += fmt::format("{}{{\"first\":{},\"events\":{}}}", gaps_.empty() ? "" : ",", gap.first,
                           gap.count);
    } else {
      rows_ += fmt::format("{:>20} {:>12} {:>12}  {}\n", gap.first, gap.count, "-", "missing");
    }
  }

  std::uint64_t missing() const { return missing_; }

  std::string text(const LogReader& reader, std::uint64_t oldest) const {
    const std::uint64_t end = reader.durable_sequence();
    if (is_json_) {
      return fmt::format(
          "{{\"log\":\"{}\",\"first\":{},\"next\":{},\"bytes\":{},\"missing\":{},"
          "\"segments\":[{}],\"gaps\":[{}]}}\n",
          reader.log_text(), oldest, end, bytes_, missing_, rows_, gaps_);
    }
    const std::uint64_t numbers = end - std::min(oldest, end);
    return rows_ + fmt::format("log {}: {}, next event {}, {} bytes{}\n", reader.log_text(),
                               count_of(numbers - std::min(missing_, numbers), "event"), end,
                               bytes_, missing_ == 0 ? "" : fmt::format(", {} missing", missing_));
  }

 private:
  const bool is_json_;
  std::string rows_;
  std::string gaps_;
  std::uint64_t bytes_ = 0;
  std::uint64_t missing_ = 0;
};

Result<int> run(const std::shared_ptr<void>& erased) {
  const Options& options = *std::static_pointer_cast<Options>(erased);
  std::vector<LogNotice> notices;
  Result<LogView> view = open_view(
      options.directory, [&](const LogNotice& notice) { notices.push_back(notice); }, NoHead::read);
  if (!view) {
    return view.error();
  }
  const Result<std::vector<LogNotice>> gone = missing_segments(*view);
  if (!gone) {
    return gone.error();
  }
  notices.insert(notices.end(), gone->begin(), gone->end());
  const Result<std::vector<std::uint64_t>> firsts = list(*view);
  if (!firsts) {
    return firsts.error();
  }
  const HeadSlot head = view->reader->head();
  Listing listing(options.format == "json");
  for (std::size_t i = 0; i < firsts->size(); ++i) {
    const std::uint64_t first = (*firsts)[i];
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
    const std::uint64_t end =
        std::max(first, i + 1 < firsts->size() ? (*firsts)[i + 1] : head.durable_sequence);
    const Result<std::vector<Gap>> gaps = gaps_in(*view, **segment, end, notices);
    if (!gaps) {
      return gaps.error();
    }
    std::uint64_t events = end - first;
    for (const Gap& gap : *gaps) {
      events -= std::min(events, gap.count);
    }
    listing.add(**segment, events, bytes);
    for (const Gap& gap : *gaps) {
      listing.add(gap);
    }
  }
  std::for_each(notices.begin(), notices.end(), log_notice);
  const Result<int> printed = print_out(
      listing.text(*view->reader, firsts->empty() ? head.durable_sequence : firsts->front()));
  const bool lacks_events = listing.missing() > 0 || !gone->empty();
  return printed && lacks_events ? Result<int>(static_cast<int>(ErrorClass::input)) : printed;
}

}  // namespace

CommandType ls_command() {
  CommandType command;
  command.name = "ls";
  command.summary = "lists the segments of a log";
  command.description =
      "Prints a line for each segment of the log in DIR: the number of its first event, how many "
      "events and bytes it has, and when it was made. A segment that the head or a group needs and "
      "that is gone is reported. Where events are missing between two segments a line says so, the "
      "last line counts them, and the status is 65. Only the end of each segment is looked at: "
      "fl-channel verify reads everything. The log may be in use.";
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
