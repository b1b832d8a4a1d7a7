#include "common/ack/guarantee.h"

#include <array>
#include <utility>

#include "common/ack/line_socket.h"

namespace fl {
namespace {

constexpr std::array<std::pair<std::string_view, Level>, 6> kLevels{{
    {"none", Level::none},
    {"discarded", Level::discarded},
    {"printed", Level::printed},
    {"memory", Level::memory},
    {"gathered", Level::gathered},
    {"durable", Level::durable},
}};

// Rules that older writers send without a level; any other rule means durable.
constexpr std::array<std::pair<std::string_view, Level>, 2> kOldRules{{
    {"handed on", Level::none},
    {"held in memory", Level::memory},
}};

}  // namespace

std::string to_line(const Guarantee& guarantee) {
  std::string line;
  for (const auto& [word, level] : kLevels) {
    if (level == guarantee.level) {
      line = word;
    }
  }
  if (!guarantee.text.empty() && guarantee.text != line) {
    line += ' ';
    line += guarantee.text;
  }
  return line;
}

Guarantee parse_guarantee(std::string_view line) {
  std::string_view first;
  std::string_view rest;
  split_line(line, first, rest);
  for (const auto& [word, level] : kLevels) {
    if (first == word) {
      return {level, rest.empty() ? first : rest};
    }
  }
  for (const auto& [words, level] : kOldRules) {
    if (line == words) {
      return {level, line};
    }
  }
  return {Level::durable, line};
}

std::optional<Guarantee> weaker(const std::optional<Guarantee>& one,
                                const std::optional<Guarantee>& other) {
  if (!one || !other) {
    return std::nullopt;
  }
  return other->level < one->level ? other : one;
}

}  // namespace fl
