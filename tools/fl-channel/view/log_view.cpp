#include "tools/fl-channel/view/log_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

namespace fl {

Result<LogView> open_view(const std::string& directory, LogNotify notify) {
  LogView view;
  Result<std::unique_ptr<LogFiles>> files = open_log_files(directory, false);
  if (!files) {
    return files.error();
  }
  view.files = std::move(*files);
  LogReader::Settings settings;
  settings.join_bytes = 0;
  settings.sets_aside = false;
  settings.notify = std::move(notify);
  Result<LogReader> reader = LogReader::open(*view.files, settings);
  if (!reader) {
    return reader.error();
  }
  view.reader = std::make_unique<LogReader>(std::move(*reader));
  if (!view.reader->exists()) {
    const bool is_damaged = view.reader->head_state() == HeadFile::State::damaged;
    return Error{
        ErrorClass::input,
        fmt::format("'{}' {}", directory, is_damaged ? "has a damaged head" : "holds no log"),
        is_damaged ? "fl-channel file --put repairs it when it opens the log" : ""};
  }
  return view;
}

Result<std::uint64_t> number_of(LogReader& reader, const LogPlace& place) {
  switch (place.kind) {
    case LogPlace::Kind::newest:
      return reader.durable_sequence();
    case LogPlace::Kind::number:
      return std::min(place.value, reader.durable_sequence());
    case LogPlace::Kind::time:
      return reader.at_time(place.value);
    case LogPlace::Kind::oldest:
      break;
  }
  return reader.oldest();
}

std::string utc_text(std::uint64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  std::array<char, 32> text{};
  if (ms == 0 || ::gmtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    return "-";
  }
  return text.data();
}

Result<int> print_out(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno != EINTR) {
      return system_error(ErrorClass::io, "cannot write to stdout", errno);
    }
    text.remove_prefix(static_cast<std::size_t>(n < 0 ? 0 : n));
  }
  return 0;
}

}  // namespace fl
