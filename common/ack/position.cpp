#include "common/ack/position.h"

#include <utility>

#include "common/ack/line_socket.h"

namespace fl {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";

bool is_plain(unsigned char byte) { return byte > 0x20 && byte < 0x7f && byte != '%'; }

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain(static_cast<unsigned char>(text[i]))) {
      bytes += text[i];
      continue;
    }
    const std::size_t high = i + 2 < text.size() ? kDigits.find(text[i + 1]) : kDigits.npos;
    const std::size_t low = i + 2 < text.size() ? kDigits.find(text[i + 2]) : kDigits.npos;
    if (text[i] != '%' || high == kDigits.npos || low == kDigits.npos) {
      return std::nullopt;
    }
    bytes += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return bytes;
}

}  // namespace

std::optional<std::string> Position::text() const {
  std::string text;
  append_escaped(text, source);
  text += ' ';
  append_escaped(text, place);
  return source.empty() || text.size() > kMaxBytes ? std::nullopt : std::optional(std::move(text));
}

std::optional<Position> Position::parse(std::string_view text) {
  std::string_view first;
  std::string_view second;
  split_line(text, first, second);
  std::optional<std::string> source = unescaped(first);
  std::optional<std::string> place = unescaped(second);
  if (!source || source->empty() || !place || text.size() > kMaxBytes) {
    return std::nullopt;
  }
  return Position{std::move(*source), std::move(*place)};
}

void PositionQueue::add(std::uint64_t events, Position position) {
  if (events < last_) {
    return;
  }
  last_ = events;
  const std::size_t size = position.source.size() + position.place.size();
  if (entries_.size() >= kMost || bytes_ + size > kMostBytes) {
    entries_.clear();
    bytes_ = 0;
  }
  bytes_ += size;
  entries_.push_back({events, std::move(position)});
}

std::optional<PositionQueue::Entry> PositionQueue::take(std::uint64_t events) {
  if (!reached(events)) {
    return std::nullopt;
  }
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  bytes_ -= entry.position.source.size() + entry.position.place.size();
  return entry;
}

}  // namespace fl
