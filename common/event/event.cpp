#include "common/event/event.h"

#include <cassert>
#include <cstring>

#include "common/base/text.h"
#include "common/event/varint.h"

namespace fl {
namespace {

// Reads a length (>= 0, <= limit) and checks that so many bytes follow.
inline const std::uint8_t* read_length(const std::uint8_t* p, const std::uint8_t* end,
                                       std::uint64_t limit, std::uint64_t& length,
                                       const char* too_long, const char*& why) {
  std::int64_t value = 0;
  p = read_varint(p, end, value);
  if (p == nullptr || value < 0 ||
      static_cast<std::uint64_t>(value) > static_cast<std::uint64_t>(end - p)) {
    why = "a length points past the end of the block";
    return nullptr;
  }
  if (static_cast<std::uint64_t>(value) > limit) {
    why = too_long;
    return nullptr;
  }
  length = static_cast<std::uint64_t>(value);
  return p;
}

// Skips a header map in any legal form; its lengths and counts are checked.
const std::uint8_t* scan_map(const std::uint8_t* p, const std::uint8_t* end,
                             const EventLimits& limits, const char*& why) {
  const std::uint8_t* const begin = p;
  std::uint64_t headers = 0;
  for (;;) {
    std::int64_t count = 0;
    p = read_varint(p, end, count);
    if (p == nullptr) {
      why = "a header map is cut or holds an illegal number";
      return nullptr;
    }
    if (count == 0) {
      if (static_cast<std::uint64_t>(p - begin) > limits.header_bytes) {
        why = "its headers exceed 64 KiB";
        return nullptr;
      }
      return p;
    }
    const std::uint8_t* block_end = nullptr;
    if (count < 0) {
      if (count == INT64_MIN) {
        why = "a header map has an illegal count";
        return nullptr;
      }
      count = -count;
      std::uint64_t size = 0;
      p = read_length(p, end, limits.header_bytes, size, "its headers exceed 64 KiB", why);
      if (p == nullptr) {
        return nullptr;
      }
      block_end = p + size;
    }
    headers += static_cast<std::uint64_t>(count);
    if (static_cast<std::uint64_t>(count) > limits.headers || headers > limits.headers) {
      why = "it has more than 64 headers";
      return nullptr;
    }
    const std::uint8_t* const stop = block_end != nullptr ? block_end : end;
    for (std::int64_t i = 0; i < count; ++i) {
      std::uint64_t length = 0;
      p = read_length(p, stop, limits.name_bytes, length, "the name of a header exceeds 256 bytes",
                      why);
      if (p == nullptr) {
        return nullptr;
      }
      p += length;
      p = read_length(p, stop, limits.value_bytes, length, "the value of a header exceeds 4 KiB",
                      why);
      if (p == nullptr) {
        return nullptr;
      }
      p += length;
    }
    if (block_end != nullptr && p != block_end) {
      why = "a header map's byte size does not fit its content";
      return nullptr;
    }
  }
}

}  // namespace

const std::uint8_t* scan_whole_event(const std::uint8_t* p, const std::uint8_t* end,
                                     const EventLimits& limits, Event& event, const char*& why) {
  const std::uint8_t* const begin = p;
  if (p != end && *p == 0) {
    ++p;
  } else {
    p = scan_map(p, end, limits, why);
    if (p == nullptr) {
      return nullptr;
    }
  }
  event.data = begin;
  event.map_size = static_cast<std::uint32_t>(p - begin);
  std::uint64_t length = 0;
  p = read_length(p, end, limits.body_bytes, length, "its body exceeds --max-event", why);
  if (p == nullptr) {
    return nullptr;
  }
  event.body_offset = static_cast<std::uint32_t>(p - begin);
  p += length;
  event.size = static_cast<std::uint32_t>(p - begin);
  return p;
}

bool HeaderCursor::next(std::string_view& key, std::string_view& value) {
  const auto text = [this](std::string_view& out) {
    std::int64_t length = 0;
    next_ = read_varint(next_, end_, length);
    assert(next_ != nullptr);  // scan_event() has seen it whole
    out = {reinterpret_cast<const char*>(next_), static_cast<std::size_t>(length)};
    next_ += length;
  };
  if (left_ == 0) {
    next_ = read_varint(next_, end_, left_);
    assert(next_ != nullptr);
    if (left_ < 0) {
      left_ = -left_;
      std::int64_t size = 0;
      next_ = read_varint(next_, end_, size);
      assert(next_ != nullptr);
    }
    if (left_ == 0) {
      next_ = end_ - 1;  // stay before the final 0: a further call ends here again
      return false;
    }
  }
  --left_;
  text(key);
  text(value);
  return true;
}

std::optional<std::string_view> find_header(const Event& event, std::string_view key) {
  std::optional<std::string_view> found;
  if (event.has_headers()) {
    HeaderCursor cursor(event);
    std::string_view k;
    std::string_view v;
    while (cursor.next(k, v)) {
      if (k == key) {
        found = v;
      }
    }
  }
  return found;
}

Headers headers_of(const Event& event) {
  Headers headers;
  HeaderCursor cursor(event);
  std::string_view key;
  std::string_view value;
  while (cursor.next(key, value)) {
    bool known = false;
    for (auto& header : headers) {
      if (header.first == key) {
        header.second = value;
        known = true;
      }
    }
    if (!known) {
      headers.emplace_back(key, value);
    }
  }
  return headers;
}

void append_map_block(std::string& out, const Headers& headers) {
  std::size_t size = 0;
  for (const auto& [key, value] : headers) {
    size += varint_size(static_cast<std::int64_t>(key.size())) + key.size() +
            varint_size(static_cast<std::int64_t>(value.size())) + value.size();
  }
  append_varint(out, -static_cast<std::int64_t>(headers.size()));
  append_varint(out, static_cast<std::int64_t>(size));
  for (const auto& [key, value] : headers) {
    append_sized(out, key);
    append_sized(out, value);
  }
}

void append_map(std::string& out, const Headers& headers) {
  if (!headers.empty()) {
    append_map_block(out, headers);
  }
  out.push_back('\0');
}

void append_event(std::string& out, const Headers& headers, std::string_view body) {
  append_map(out, headers);
  append_sized(out, body);
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    if (size == 0) {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

std::string utf8_escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    if (size == 0) {
      const auto byte = static_cast<std::uint8_t>(text[0]);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
  return out;
}

}  // namespace fl
