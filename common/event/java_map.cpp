#include "common/event/java_map.h"

#include <algorithm>

namespace fl {

std::uint32_t java_string_hash(std::string_view text) {
  std::uint32_t hash = 0;
  const auto unit = [&hash](std::uint32_t value) { hash = hash * 31 + value; };
  std::size_t i = 0;
  while (i < text.size()) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      unit(first);
      ++i;
      continue;
    }
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || size > text.size() - i || !is_valid_utf8(text.substr(i, size))) {
      unit(0xFFFD);
      ++i;
      continue;
    }
    std::uint32_t point = first & (0xFFu >> (size + 1));
    for (std::size_t n = 1; n < size; ++n) {
      point = point << 6 | (static_cast<unsigned char>(text[i + n]) & 0x3Fu);
    }
    if (point >= 0x10000) {
      unit(0xD800 + ((point - 0x10000) >> 10));
      unit(0xDC00 + ((point - 0x10000) & 0x3FF));
    } else {
      unit(point);
    }
    i += size;
  }
  return hash;
}

void JavaMap::assign(const Event& event) {
  entries_.clear();
  if (!event.has_headers()) {
    return;
  }
  HeaderCursor cursor(event);
  std::string_view key;
  std::string_view value;
  while (cursor.next(key, value)) {
    const auto known = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.key == key; });
    if (known != entries_.end()) {
      known->value = value;
    } else {
      entries_.push_back({key, value, 0});
    }
  }
  if (entries_.size() < 2) {
    return;
  }
  std::size_t capacity = 16;
  while (entries_.size() * 4 > capacity * 3) {
    capacity *= 2;
  }
  for (Entry& entry : entries_) {
    const std::uint32_t hash = java_string_hash(entry.key);
    entry.hash = (hash ^ hash >> 16) & static_cast<std::uint32_t>(capacity - 1);
  }
  // Insertion sort: stable, in place, and there are few headers.
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    const Entry entry = entries_[i];
    std::size_t at = i;
    for (; at > 0 && entries_[at - 1].hash > entry.hash; --at) {
      entries_[at] = entries_[at - 1];
    }
    entries_[at] = entry;
  }
}

void JavaMap::append_text(std::string& out) const {
  out += '{';
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    out += i == 0 ? "" : ", ";
    out += entries_[i].key;
    out += '=';
    out += entries_[i].value;
  }
  out += '}';
}

}  // namespace fl
