#include "tools/fl-sink/hdfs/store.h"

#include <algorithm>
#include <charconv>

#include "common/base/random.h"

namespace fl {

std::string temporary_name(std::string_view final_name) {
  std::string name = "_";
  name += final_name;
  name += '.';
  name += random_hex(8);
  name += ".tmp";
  return name;
}

std::optional<unsigned> parse_mode(std::string_view text) {
  if (text.size() == 4 && text.front() == '0') {
    text.remove_prefix(1);
  }
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (text.size() != 3 || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return mode;
}

bool is_temporary_name(std::string_view name) {
  if (!name.starts_with('_') || !name.ends_with(".tmp") || name.size() < kTemporaryExtra + 1) {
    return false;
  }
  name.remove_suffix(4);
  const std::string_view hex = name.substr(name.size() - 16);
  return name[name.size() - 17] == '.' && std::all_of(hex.begin(), hex.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace fl
