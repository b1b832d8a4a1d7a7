#include "tools/fl-channel/file/position_table.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace fl {
namespace {

std::size_t bytes_of(const Position& position) {
  return 4 + position.source.size() + position.place.size();
}

void put_counted(std::string& out, std::string_view bytes) {
  out += static_cast<char>(bytes.size() & 0xFF);
  out += static_cast<char>(bytes.size() >> 8);
  out += bytes;
}

std::optional<std::string> take_counted(std::string_view& from) {
  if (from.size() < 2) {
    return std::nullopt;
  }
  const auto byte = [&from](std::size_t i) { return static_cast<std::uint8_t>(from[i]); };
  const std::size_t size = byte(0) + std::size_t{byte(1)} * 256;
  if (from.size() - 2 < size) {
    return std::nullopt;
  }
  std::string taken(from.substr(2, size));
  from.remove_prefix(2 + size);
  return taken;
}

}  // namespace

bool PositionTable::read(std::string_view text) {
  positions_.clear();
  bytes_ = 0;
  while (!text.empty()) {
    std::optional<std::string> source = take_counted(text);
    std::optional<std::string> place = source ? take_counted(text) : std::nullopt;
    if (!place || source->empty()) {
      positions_.clear();
      bytes_ = 0;
      return false;
    }
    set({std::move(*source), std::move(*place)});
  }
  return true;
}

std::string PositionTable::text() const {
  std::string out;
  out.reserve(bytes_);
  for (const Position& position : positions_) {
    put_counted(out, position.source);
    put_counted(out, position.place);
  }
  return out;
}

bool PositionTable::set(const Position& position) {
  const auto found = std::find_if(positions_.begin(), positions_.end(), [&](const Position& other) {
    return other.source == position.source;
  });
  if (found != positions_.end()) {
    if (found->place == position.place) {
      return false;
    }
    bytes_ -= bytes_of(*found);
    positions_.erase(found);
  }
  positions_.push_back(position);
  bytes_ += bytes_of(position);
  while (positions_.size() > kMost || bytes_ > kMostBytes) {
    bytes_ -= bytes_of(positions_.front());
    positions_.erase(positions_.begin());
  }
  return true;
}

}  // namespace fl
