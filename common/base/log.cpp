#include "common/base/log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <mutex>
#include <utility>

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
  std::uint64_t lost = 0;  // lines that a full stderr did not take since the last one that it took
  bool is_cut = false;     // the last line that it took lacks its end
  bool terminal = ::isatty(STDERR_FILENO) == 1;
};

LogState& state() {
  static LogState instance;
  return instance;
}

constexpr std::string_view kClearLine = "\r\x1b[K";
constexpr std::int64_t kPatienceMs = 1000;

// One write that does not wait, even where others share the pipe and fill it between poll and
// write: through an open file description of our own, since others share the flags of stderr.
ssize_t write_now(std::string_view text) {
  struct stat info {};
  if (::fstat(STDERR_FILENO, &info) == 0 && S_ISSOCK(info.st_mode)) {
    return ::send(STDERR_FILENO, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (S_ISFIFO(info.st_mode)) {
    const int own = ::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) {  // else it belongs to another user, or nobody reads it
      const ssize_t n = ::write(own, text.data(), text.size());
      const int number = errno;
      ::close(own);
      errno = number;
      return n;
    }
  }
  return ::write(STDERR_FILENO, text.data(), text.size());
}

// Writes what stderr takes, at most PIPE_BUF bytes at a time: with room for less a blocking write
// would wait. False: it took nothing for `patience_ms`, and `text` is what is left.
bool write_stderr(std::string_view& text, std::int64_t patience_ms) {
  std::int64_t until = monotonic_ms() + patience_ms;
  while (!text.empty()) {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    const std::int64_t left = std::max<std::int64_t>(until - monotonic_ms(), 0);
    const int found = ::poll(&ready, 1, static_cast<int>(left));
    if (found == 0) {
      return false;
    }
    const ssize_t n = found < 0 ? -1 : write_now(text.substr(0, PIPE_BUF));
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
      until = monotonic_ms() + patience_ms;
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
      return true;  // it is closed: nobody will ever read it
    } else if (errno == EAGAIN && left == 0) {
      return false;
    }
  }
  return true;
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

std::string line_of(const LogState& log_state, LogLevel level, std::string_view message,
                    std::string_view hint) {
  std::string out;
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
  return out;
}

// Writes `text`, or drops it if stderr is full. The first time that waits for a second; after that
// nothing waits until stderr takes something again, so that a stage keeps running and handles its
// signals.
void put(LogState& log_state, const std::string& text) {
  std::string all = log_state.is_cut ? "\n" : "";
  if (log_state.lost > 0) {
    all += line_of(log_state, LogLevel::warning,
                   fmt::format("stderr was full: {} log {} dropped", log_state.lost,
                               log_state.lost == 1 ? "line was" : "lines were"),
                   {});
  }
  const std::size_t notice = all.size();
  all += text;
  std::string_view rest = all;
  const bool taken = write_stderr(rest, log_state.lost > 0 ? 0 : kPatienceMs);
  const std::size_t done = all.size() - rest.size();
  if (taken || (notice > 0 && done >= notice)) {
    log_state.lost = 0;
  }
  if (taken || done > 0) {
    log_state.is_cut = !taken && all[done - 1] != '\n';
  }
  log_state.lost += taken ? 0U : 1U;
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
  const bool clear = std::exchange(log_state.status_shown, false);
  put(log_state, std::string(clear ? kClearLine : "") + line_of(log_state, level, message, hint));
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
      put(log_state, text + "\n");
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
  const std::string shown = std::string(kClearLine) + text;
  std::string_view rest = shown;
  (void)write_stderr(rest, 0);  // the next one says the same and more
  log_state.status_shown = !text.empty();
}

}  // namespace fl
