#include "common/ack/failure.h"

#include <algorithm>

#include "common/ack/line_socket.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr int kLowest = static_cast<int>(ErrorClass::usage);
constexpr int kHighest = static_cast<int>(ErrorClass::config);

// The first bytes of `text`, cut between two characters.
std::string_view cut(std::string_view text, std::size_t size) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t next = end + std::max<std::size_t>(utf8_length(text.substr(end)), 1);
    if (next > size) {
      break;
    }
    end = next;
  }
  return text.substr(0, end);
}

}  // namespace

Failure::Failure(int number, std::string_view words)
    : status(number >= kLowest && number <= kHighest ? number
                                                     : static_cast<int>(ErrorClass::again)),
      message(cut(printable(cut(words, kMaxMessage)), kMaxMessage)) {}

Failure Failure::parse(std::string_view text) {
  std::string_view number;
  std::string_view words;
  split_line(text, number, words);
  const Result<std::uint64_t> status = parse_count(number);
  return {status && *status <= kHighest ? static_cast<int>(*status) : 0, words};
}

}  // namespace fl
