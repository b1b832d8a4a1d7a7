#include "tools/fl-source/spool_position.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::string_view kNameBytes = "0123456789abcdef.";

// What is before the next `mark`, which is removed from `text` too.
std::string_view next_part(std::string_view& text, char mark) {
  const std::size_t end = text.find(mark);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

}  // namespace

std::string SpoolPlace::name_of(const struct stat& info) {
  return fmt::format("{:x}.{:x}.{:x}.{:x}", info.st_ino, info.st_size, info.st_ctim.tv_sec,
                     info.st_ctim.tv_nsec);
}

std::string spool_position(const std::vector<SpoolPlace>& places) {
  std::string text;
  for (const SpoolPlace& place : places) {
    text += text.empty() ? "" : ",";
    text += place.file;
    if (!place.whole) {
      text += "@" + std::to_string(place.offset) + "@" + place.text;
    }
  }
  return text;
}

std::optional<std::vector<SpoolPlace>> parse_spool_position(std::string_view text) {
  std::vector<SpoolPlace> places;
  while (!text.empty() && places.size() <= 2 * kMaxSpoolPlaces) {
    std::string_view rest = next_part(text, ',');
    SpoolPlace place;
    place.file = next_part(rest, '@');
    if (place.file.empty() || place.file.find_first_not_of(kNameBytes) != std::string::npos) {
      return std::nullopt;
    }
    place.whole = rest.empty();
    if (!place.whole) {
      const Result<std::uint64_t> offset = parse_count(next_part(rest, '@'), INT64_MAX);
      if (!offset) {
        return std::nullopt;
      }
      place.offset = *offset;
      place.text = rest;
    }
    places.push_back(std::move(place));
  }
  return text.empty() ? std::optional(std::move(places)) : std::nullopt;
}

}  // namespace fl
