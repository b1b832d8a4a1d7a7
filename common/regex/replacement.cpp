#include "common/regex/replacement.h"

namespace fl {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Error refused(std::string_view text, const std::string& why) {
  return {ErrorClass::usage, "cannot use the replacement '" + std::string(text) + "': " + why,
          R"(write \$ for a dollar sign and \\ for a backslash)"};
}

}  // namespace

Result<Replacement> Replacement::parse(std::string_view text, const Regex& regex) {
  Replacement out;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) {
      out.pieces_.push_back({std::move(literal), {}});
      literal.clear();
    }
  };
  std::size_t i = 0;
  while (i < text.size()) {
    const char c = text[i++];
    if (c != '\\' && c != '$') {
      literal += c;
      continue;
    }
    if (i == text.size()) {
      return refused(text, std::string("nothing follows the last ") + c);
    }
    if (c == '\\') {
      literal += text[i++];
      continue;
    }
    std::size_t group = 0;
    if (text[i] == '{') {
      const std::size_t end = text.find('}', i);
      const std::string name(text.substr(i + 1, end - i - 1));
      if (end == std::string_view::npos) {
        return refused(text, "a ${ has no }");
      }
      const std::optional<std::size_t> number = regex.group_number(name);
      if (!number) {
        return refused(text, "the expression has no group named '" + name + "'");
      }
      group = *number;
      i = end + 1;
    } else if (is_digit(text[i])) {
      group = static_cast<std::size_t>(text[i++] - '0');
      if (group > regex.groups()) {
        return refused(text, "the expression has no group " + std::to_string(group));
      }
      while (i < text.size() && is_digit(text[i])) {
        const std::size_t longer = group * 10 + static_cast<std::size_t>(text[i] - '0');
        if (longer > regex.groups()) {
          break;
        }
        group = longer;
        ++i;
      }
    } else {
      return refused(text, "a $ is followed by neither a group's number nor {name}");
    }
    end_literal();
    out.pieces_.push_back({{}, group});
  }
  end_literal();
  return out;
}

void Replacement::append(std::string& out, const Regex& regex, std::string_view text) const {
  for (const Piece& piece : pieces_) {
    if (!piece.group) {
      out += piece.text;
    } else if (const auto span = regex.group(*piece.group)) {
      out += text.substr(span->begin, span->end - span->begin);
    }
  }
}

}  // namespace fl
