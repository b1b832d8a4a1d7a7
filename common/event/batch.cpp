#include "common/event/batch.h"

#include <algorithm>
#include <utility>

#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::size_t kPiece = 256 << 10;

/// How many headers a map holds, a key that comes twice counted twice. The map is valid.
std::size_t count_headers(std::string_view map) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(map.data());
  const std::uint8_t* const end = p + map.size();
  std::size_t total = 0;
  for (std::int64_t count = 0; (p = read_varint(p, end, count)) != nullptr && count != 0;) {
    const bool sized = count < 0;
    std::int64_t left = sized ? -count : count;  // of what is to be skipped
    total += static_cast<std::size_t>(left);
    // A block with its size is skipped whole, else each key and value is.
    for (left = sized ? 1 : 2 * left; left > 0; --left) {
      std::int64_t size = 0;
      p = read_varint(p, end, size);
      p += size;
    }
  }
  return total;
}

bool fits_itself(const EventLimits& limits, std::string_view key, std::string_view value) {
  return key.size() <= limits.name_bytes && value.size() <= limits.value_bytes;
}

std::string_view map_of(const Event& event) { return event.bytes().substr(0, event.map_size); }

void put_into(Headers& headers, std::string_view key, std::string_view value,
              Batch::Existing existing) {
  for (auto& header : headers) {
    if (header.first == key) {
      if (existing == Batch::Existing::replace) {
        header.second = value;
      }
      return;
    }
  }
  headers.emplace_back(key, value);
}

}  // namespace

void Batch::clear() {
  events_.clear();
  keep_.clear();
  alone_.clear();
  done_.clear();
  inserted_ = 0;
  have_headers_ = 0;
  body_bytes_ = 0;
  dropped_ = 0;
  rewritten_ = 0;
  puts_.clear();
  prefix_.clear();
  too_large_.clear();
  for (std::size_t i = 0; i < pieces_used_; ++i) {
    pieces_[i]->clear();
    if (pieces_[i]->capacity() > 4 * kPiece) {
      pieces_[i]->shrink_to_fit();
    }
  }
  pieces_used_ = 0;
}

void Batch::drop(std::size_t i) {
  if (keep_.empty()) {
    keep_.assign(events_.size(), true);
  }
  if (keep_[i]) {
    keep_[i] = false;
    ++dropped_;
  }
}

void Batch::put(std::string_view key, std::string_view value, Existing existing) {
  for (std::size_t i = 0; have_headers_ + rewritten_ != 0 && i < events_.size(); ++i) {
    if (alone(i) || (events_[i].has_headers() && find_header(events_[i], key))) {
      put(i, key, value, existing);
    }
  }
  put_into(puts_, key, value, existing);
  prefix_.clear();
  append_map_block(prefix_, puts_);
  // A header takes two bytes at least: after this prefix shorter maps fit uncounted.
  std::size_t fine = 0;
  if (fits_itself(limits_, key, value) && prefix_.size() < limits_.header_bytes &&
      puts_.size() <= limits_.headers) {
    fine =
        std::min(limits_.header_bytes - prefix_.size(), 2 * (limits_.headers - puts_.size()) + 1);
  }
  for (std::size_t i = 0; (have_headers_ != 0 || fine == 0) && i < events_.size(); ++i) {
    if (events_[i].map_size > fine && kept(i) && !alone(i)) {
      (void)(fits_alone(i, key, value) && fits_behind_prefix(i));
    }
  }
}

void Batch::put(std::size_t i, std::string_view key, std::string_view value, Existing existing) {
  if (!kept(i)) {
    return;
  }
  Headers all = headers(i);
  put_into(all, key, value, existing);
  replace(i, all, events_[i].body());
}

std::optional<std::string_view> Batch::header(std::size_t i, std::string_view key) const {
  if (!alone(i)) {
    for (const auto& [name, value] : puts_) {
      if (name == key) {
        return value;
      }
    }
  }
  return find_header(events_[i], key);
}

void Batch::replace(std::size_t i, const Headers& headers, std::string_view body) {
  if (kept(i)) {
    for (const auto& [key, value] : headers) {
      if (!fits_alone(i, key, value)) {
        return;
      }
    }
    std::string map;
    append_map(map, headers);
    (void)store(i, map, body);
  }
}

void Batch::set_body(std::size_t i, std::string_view body) {
  if (!alone(i) && !puts_.empty()) {
    replace(i, headers(i), body);
  } else if (kept(i)) {
    (void)store(i, map_of(events_[i]), body);
  }
}

void Batch::insert(std::size_t i, const std::vector<std::string_view>& bodies) {
  if (!alone(i) && !puts_.empty()) {
    replace(i, headers(i), events_[i].body());  // from now on it has all its headers itself
  }
  const Event origin = events_[i];
  const std::string_view map = map_of(origin);
  if (done_.empty()) {
    done_.assign(events_.size(), 1);
  }
  const auto behind = static_cast<std::ptrdiff_t>(i) + 1;
  events_.insert(events_.begin() + behind, bodies.size(), Event{});
  done_.insert(done_.begin() + behind, bodies.size(), 0);
  if (!keep_.empty()) {
    keep_.insert(keep_.begin() + behind, bodies.size(), true);
  }
  if (!alone_.empty()) {
    alone_.insert(alone_.begin() + behind, bodies.size(), false);
  }
  inserted_ += bodies.size();
  for (TooLarge& refused : too_large_) {
    refused.event += refused.event > i ? bodies.size() : 0;
  }
  for (std::size_t k = 0; k < bodies.size(); ++k) {
    if (!store(i + 1 + k, map, bodies[k])) {
      events_[i + 1 + k] = origin;
    }
  }
  join(i, i + bodies.size());
}

void Batch::join(std::size_t first, std::size_t last) {
  if (done_.empty()) {
    done_.assign(events_.size(), 1);
  }
  for (std::size_t i = first; i < last; ++i) {
    done_[last] += std::exchange(done_[i], 0);
  }
}

Headers Batch::headers(std::size_t i) const {
  Headers all = alone(i) ? Headers() : puts_;
  for (auto& [key, value] : headers_of(events_[i])) {
    put_into(all, key, value, Existing::replace);
  }
  return all;
}

void Batch::refuse(std::size_t i, std::string why) {
  // Interceptors edit the events in order: this finds most repetitions.
  if (too_large_.empty() || too_large_.back().event != i) {
    too_large_.push_back({i, std::move(why)});
  }
}

bool Batch::fits_alone(std::size_t i, std::string_view key, std::string_view value) {
  if (fits_itself(limits_, key, value)) {
    return true;
  }
  const bool is_name = key.size() > limits_.name_bytes;
  refuse(i, is_name ? "the name of a header has " + std::to_string(key.size()) + " bytes, " +
                          std::to_string(limits_.name_bytes) + " are possible"
                    : "the value of the header '" + std::string(key) + "' has " +
                          std::to_string(value.size()) + " bytes, " +
                          std::to_string(limits_.value_bytes) + " are possible");
  return false;
}

bool Batch::fits_behind_prefix(std::size_t i) {
  const std::string_view map = map_of(events_[i]);
  if (prefix_.size() + map.size() <= limits_.header_bytes &&
      count_headers(map) + puts_.size() <= limits_.headers) {
    return true;
  }
  std::string whole = prefix_;
  whole += map;
  return fits(i, whole, {});
}

bool Batch::fits(std::size_t i, std::string_view map, std::string_view body) {
  if (body.size() > limits_.body_bytes) {
    refuse(i, "its body grows to " + std::to_string(body.size()) + " bytes, --max-event is " +
                  std::to_string(limits_.body_bytes));
  } else if (map.size() > limits_.header_bytes) {
    refuse(i, "its headers grow to " + std::to_string(map.size()) + " bytes, " +
                  std::to_string(limits_.header_bytes) + " are possible");
  } else if (map.size() / 2 > limits_.headers && count_headers(map) > limits_.headers) {
    refuse(i, "it gets " + std::to_string(count_headers(map)) + " headers, " +
                  std::to_string(limits_.headers) + " are possible");
  } else {
    return true;
  }
  return false;
}

bool Batch::store(std::size_t i, std::string_view map, std::string_view body) {
  if (!fits(i, map, body)) {
    return false;
  }
  const std::size_t most = map.size() + kMaxVarint + body.size();
  if (pieces_used_ == 0 ||
      pieces_[pieces_used_ - 1]->capacity() - pieces_[pieces_used_ - 1]->size() < most) {
    if (pieces_used_ == pieces_.size()) {
      pieces_.push_back(std::make_unique<std::string>());
    }
    pieces_[pieces_used_++]->reserve(std::max(kPiece, most));
  }
  std::string& piece = *pieces_[pieces_used_ - 1];
  const std::size_t start = piece.size();
  std::uint8_t length[kMaxVarint];
  const std::uint8_t* const end = write_varint(length, static_cast<std::int64_t>(body.size()));
  piece.append(map);  // within the capacity: earlier spans stay valid
  piece.append(reinterpret_cast<const char*>(length), static_cast<std::size_t>(end - length));
  piece.append(body);

  if (alone_.empty()) {
    alone_.assign(events_.size(), false);
  }
  if (!alone_[i]) {
    alone_[i] = true;
    ++rewritten_;
  }
  Event& event = events_[i];
  event.data = reinterpret_cast<const std::uint8_t*>(piece.data()) + start;
  event.size = static_cast<std::uint32_t>(piece.size() - start);
  event.body_offset = event.size - static_cast<std::uint32_t>(body.size());
  event.map_size = static_cast<std::uint32_t>(map.size());
  return true;
}

}  // namespace fl
