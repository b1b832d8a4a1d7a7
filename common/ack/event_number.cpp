#include "common/ack/event_number.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/ack/line_socket.h"
#include "common/base/units.h"

namespace fl {

std::string EventNumber::text() const { return log + ' ' + std::to_string(number); }

std::optional<EventNumber> EventNumber::parse(std::string_view text) {
  std::string_view log;
  std::string_view rest;
  split_line(text, log, rest);
  const Result<std::uint64_t> number = parse_count(rest);
  const bool is_id = log.size() == kLogDigits && std::all_of(log.begin(), log.end(), [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
  return is_id && number ? std::optional(EventNumber{std::string(log), *number}) : std::nullopt;
}

std::deque<NumberMap::Mark>::const_iterator NumberMap::after(std::uint64_t n) const {
  return std::upper_bound(marks_.begin(), marks_.end(), n,
                          [](std::uint64_t value, const Mark& mark) { return value < mark.at; });
}

std::optional<EventNumber> NumberMap::of(std::uint64_t n) const {
  const auto next = after(n);
  if (next == marks_.begin() || !std::prev(next)->number) {
    return std::nullopt;
  }
  return std::prev(next)->number->plus(n - std::prev(next)->at);
}

std::uint64_t NumberMap::next_mark(std::uint64_t n) const {
  const auto next = after(n);
  return next == marks_.end() ? UINT64_MAX : next->at;
}

void NumberMap::mark(std::uint64_t n, std::optional<EventNumber> number) {
  if (is_broken_ || of(n) == number) {
    return;
  }
  if (!marks_.empty() && marks_.back().at == n) {
    marks_.pop_back();
  }
  if (marks_.size() >= kMost || (!marks_.empty() && marks_.back().at > n)) {
    marks_.clear();
    is_broken_ = true;
    return;
  }
  marks_.push_back({n, std::move(number)});
}

void NumberMap::forget(std::uint64_t n) {
  while (marks_.size() > 1 && marks_[1].at <= n) {
    marks_.pop_front();
  }
}

}  // namespace fl
