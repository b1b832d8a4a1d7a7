// Log lines on stderr: text for people, JSON for machines. Nothing else writes to stderr.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

struct Error;

enum class LogLevel { error, warning, info, debug };
enum class LogFormat { text, json };

/// Settings of the whole process; set once by main before threads start.
void set_log(std::string program, LogLevel level, LogFormat format);

/// One line "program: message" (text) or one JSON object. Bytes that could harm a terminal are
/// escaped as \xNN. Safe from any thread. A full stderr (a pipe that nobody reads) never blocks a
/// program: it is waited for once, one second, then lines are dropped until it takes something
/// again; the next line says how many.
void log(LogLevel level, std::string_view message);
/// The error's message, and its hint on a line of its own.
void log(const Error& error);

/// What was logged since the start, whether it was shown or not.
struct LogCounts {
  std::uint64_t errors = 0;
  std::uint64_t warnings = 0;
  std::int64_t last_error_ms = 0;  ///< wall clock; 0: never
  std::int64_t last_warning_ms = 0;
};
LogCounts log_counts();

/// `text` with C0, DEL, C1, bidirectional and zero-width marks and invalid UTF-8 as \xNN.
std::string printable(std::string_view text);

/// A live status line replaces itself on a terminal; log lines clear it first. Empty: remove it.
void set_status_line(std::string_view line);

}  // namespace fl
