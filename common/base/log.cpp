#include "common/base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <mutex>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/text.h"

namespace fl {
namespace {

struct LogState {
  std::mutex mutex;
  std::string program = "fl";
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  bool status_shown = false;
  LogCounts counts;
  bool terminal = ::isatty(STDERR_FILENO) == 1;
};

LogState& state() {
  static LogState instance;
  return instance;
}

constexpr std::string_view kClearLine = "\r\x1b[K";

// A stderr that nobody reads must not keep a stage from ending: after a second the rest is lost.
void write_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0 && errno == EAGAIN) {
      pollfd ready{STDERR_FILENO, POLLOUT, 0};
      if (::poll(&ready, 1, 1000) > 0) {
        continue;
      }
    }
    return;
  }
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warning:
      return "warning";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      return "debug";
  }
  return "error";
}

void write_line(LogLevel level, std::string_view message, std::string_view hint) {
  LogState& log_state = state();
  const std::lock_guard lock(log_state.mutex);
  if (level == LogLevel::error) {
    ++log_state.counts.errors;
    log_state.counts.last_error_ms = wall_ms();
  } else if (level == LogLevel::warning) {
    ++log_state.counts.warnings;
    log_state.counts.last_warning_ms = wall_ms();
  }
  if (level > log_state.level) {
    return;
  }
  std::string out;
  if (log_state.status_shown) {
    out += kClearLine;
    log_state.status_shown = false;
  }
  if (log_state.format == LogFormat::json) {
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto ms = now.time_since_epoch().count() % 1000;
    out +=
        fmt::format("{{\"time\":\"{:%Y-%m-%dT%H:%M:%S}.{:03}Z\",\"level\":\"{}\",\"program\":{},",
                    fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms, name_of(level),
                    json_quoted(log_state.program));
    out += "\"message\":" + json_quoted(printable(message));
    if (!hint.empty()) {
      out += ",\"hint\":" + json_quoted(printable(hint));
    }
    out += "}\n";
  } else {
    out += log_state.program + ": " + printable(message) + "\n";
    if (!hint.empty()) {
      out += log_state.program + ": " + printable(hint) + "\n";
    }
  }
  write_stderr(out);
}

char32_t decoded(std::string_view sequence) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  switch (sequence.size()) {
    case 1:
      return at(0);
    case 2:
      return (at(0) & 0x1FU) << 6 | (at(1) & 0x3FU);
    case 3:
      return (at(0) & 0x0FU) << 12 | (at(1) & 0x3FU) << 6 | (at(2) & 0x3FU);
    default:
      return (at(0) & 0x07U) << 18 | (at(1) & 0x3FU) << 12 | (at(2) & 0x3FU) << 6 | (at(3) & 0x3FU);
  }
}

// Marks that move the cursor, reorder or hide text.
bool is_harmful(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) ||  // C0, DEL, C1
         c == 0x061C || c == 0xFEFF ||            // Arabic letter mark, byte order mark
         (c >= 0x200B && c <= 0x200F) ||          // zero width, left-to-right and right-to-left
         (c >= 0x2028 && c <= 0x202E) ||          // separators, embeddings, overrides
         (c >= 0x2060 && c <= 0x2069);            // joiner, invisible operators, isolates
}

}  // namespace

void set_log(std::string program, LogLevel level, LogFormat format) {
  LogState& log_state = state();
  const std::lock_guard lock(log_state.mutex);
  log_state.program = std::move(program);
  log_state.level = level;
  log_state.format = format;
}

void log(LogLevel level, std::string_view message) { write_line(level, message, {}); }

void log(const Error& error) { write_line(LogLevel::error, error.message, error.hint); }

LogCounts log_counts() {
  LogState& log_state = state();
  const std::lock_guard lock(log_state.mutex);
  return log_state.counts;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length > 0 && !is_harmful(decoded(text.substr(0, length)))) {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    for (const char byte : text.substr(0, std::max<std::size_t>(length, 1))) {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(byte));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

void set_status_line(std::string_view line) {
  LogState& log_state = state();
  const std::lock_guard lock(log_state.mutex);
  std::string text = printable(line);
  if (!log_state.terminal) {
    if (!text.empty()) {
      write_stderr(text + "\n");
    }
    return;
  }
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
      text.size() >= size.ws_col) {
    // A line that wraps could not be cleared. Cut before a whole character.
    std::size_t end = size.ws_col - 1U;
    while (end > 0 && utf8_length(std::string_view(text).substr(end)) == 0) {
      --end;
    }
    text.resize(end);
  }
  if (text.empty() && !log_state.status_shown) {
    return;
  }
  write_stderr(std::string(kClearLine) + text);
  log_state.status_shown = !text.empty();
}

}  // namespace fl
