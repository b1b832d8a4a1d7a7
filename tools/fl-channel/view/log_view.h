// What the subcommands that look at a log share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/log_reader.h"
#include "common/log/segments.h"
#include "common/option/option_table.h"
#include "tools/fl-channel/file/file_options.h"

namespace fl {

/// A log that is read and not changed, even while others use it.
struct LogView {
  std::unique_ptr<LogFiles> files;
  std::unique_ptr<LogReader> reader;
};

/// Where a log has segments and no head, it is refused, or read as far as records are whole.
enum class NoHead { refused, read };

/// Records come one by one; damage goes to `notify`, that of the head now. Errors: class input
/// where there is no log.
Result<LogView> open_view(const std::string& directory, const LogNotify& notify, NoHead no_head);

/// What is missing although the head or a group's position names it.
Result<std::vector<LogNotice>> missing_segments(LogView& view);

/// Events that are missing: from this number on, so many.
struct Gap {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// What is missing of the events before `end` that `segment` should have. Looks at its end alone
/// and, only if that lacks events, reads all of it. `notices`: those of the view.
Result<std::vector<Gap>> gaps_in(LogView& view, const Segment& segment, std::uint64_t end,
                                 std::vector<LogNotice>& notices);

/// The event's number that a place means.
Result<std::uint64_t> number_of(LogReader& reader, const LogPlace& place);

/// "2026-01-31T12:30:00Z"; "-" for 0.
std::string utc_text(std::uint64_t ms);

/// Writes to stdout; 0, the command's status. (A reader that closes ends a command by SIGPIPE, as
/// cat(1).)
Result<int> print_out(std::string_view text);

/// The option that all of them begin with.
template <typename Options>
void add_directory(OptionTable<Options>& table) {
  table.add("directory", &Options::directory, "DIR", "The log's directory.")
      .named("dir")
      .positional()
      .required()
      .path();
}

/// And the one at the end. `help`: what the two forms are.
template <typename Options>
void add_format(OptionTable<Options>& table, const char* help) {
  table.add("format", &Options::format, "text|json", help).choices({"text", "json"});
}

}  // namespace fl
