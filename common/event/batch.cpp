#include "common/event/batch.h"

#include <algorithm>
#include <utility>

#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::size_t kPiece = 256 << 10;

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
  dropped_ = 0;
  rewritten_ = 0;
  puts_.clear();
  prefix_.clear();
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
    std::string map;
    append_map(map, headers);
    store(i, map, body);
  }
}

void Batch::set_body(std::size_t i, std::string_view body) {
  if (!alone(i) && !puts_.empty()) {
    replace(i, headers(i), body);
  } else if (kept(i)) {
    store(i, events_[i].bytes().substr(0, events_[i].map_size), body);
  }
}

void Batch::insert(std::size_t i, const std::vector<std::string_view>& bodies) {
  if (!alone(i) && !puts_.empty()) {
    replace(i, headers(i), events_[i].body());  // from now on it has all its headers itself
  }
  const std::string_view map = events_[i].bytes().substr(0, events_[i].map_size);
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
  for (std::size_t k = 0; k < bodies.size(); ++k) {
    store(i + 1 + k, map, bodies[k]);
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

void Batch::store(std::size_t i, std::string_view map, std::string_view body) {
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
}

}  // namespace fl
