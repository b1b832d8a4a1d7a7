#include "tools/fl-source/http/gson_reader.h"

#include <algorithm>

#include "tools/fl-source/http/java_charset.h"

namespace fl {
namespace {

constexpr int kNone = -1;
/// What ends a string without quotes.
constexpr std::string_view kEnds = "/\\;#={}[]:, \t\f\r\n";

bool is_literal(char c) { return kEnds.find(c) == std::string_view::npos; }

int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

bool is_keyword(std::string_view text, std::string_view word) {
  if (text.size() != word.size()) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != word[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

GsonReader::GsonReader(std::string_view text) : text_(text), scopes_{Scope::empty_document} {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text_.starts_with(kMark)) {
    at_ = kMark.size();
  }
}

GsonReader::Token GsonReader::fail(std::string why) {
  if (why_.empty()) {
    why_ = std::move(why);
  }
  token_ = Token::fault;
  peeked_ = Peeked::token;
  return token_;
}

GsonReader::Token GsonReader::peek() {
  if (peeked_ == Peeked::none) {
    token_ = find();
    if (peeked_ == Peeked::none) {
      peeked_ = Peeked::token;
    }
  }
  return token_;
}

// Blanks and comments are skipped. The character is taken; kNone at the end, or after a fault.
int GsonReader::next_nonblank() {
  while (at_ < text_.size()) {
    const char c = text_[at_++];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      continue;
    }
    if (c == '/' && at_ < text_.size() && text_[at_] == '*') {
      const std::size_t end = text_.find("*/", at_ + 1);
      if (end == std::string_view::npos) {
        has_begun_ = true;
        fail("a comment without an end");
        return kNone;
      }
      at_ = end + 2;
      continue;
    }
    if (c == '#' || (c == '/' && at_ < text_.size() && text_[at_] == '/')) {
      at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      continue;
    }
    return static_cast<unsigned char>(c);
  }
  return kNone;
}

GsonReader::Token GsonReader::find() {
  constexpr const char* kCut = "it ends too early";
  Scope& scope = scopes_.back();
  const Scope before = scope;
  switch (before) {
    case Scope::empty_array:
      scope = Scope::array;
      break;
    case Scope::array: {
      const int c = next_nonblank();
      if (c == ']') {
        return Token::end_array;
      }
      if (c != ',' && c != ';') {
        return fail(c == kNone ? kCut : "a ',' or ']' is missing in an array");
      }
      break;
    }
    case Scope::empty_object:
    case Scope::object: {
      scope = Scope::dangling_name;
      int c = 0;
      if (before == Scope::object) {
        c = next_nonblank();
        if (c == '}') {
          return Token::end_object;
        }
        if (c != ',' && c != ';') {
          return fail(c == kNone ? kCut : "a ',' or '}' is missing in an object");
        }
      }
      c = next_nonblank();
      if (c == '"' || c == '\'') {
        quote_ = static_cast<char>(c);
        peeked_ = Peeked::quoted;
        return Token::string;
      }
      if (c == '}' && before == Scope::empty_object) {
        return Token::end_object;
      }
      if (c == kNone || !is_literal(static_cast<char>(c))) {
        return fail(c == kNone ? kCut : "the name of a member is missing");
      }
      --at_;
      peeked_ = Peeked::literal;
      return Token::string;
    }
    case Scope::dangling_name: {
      scope = Scope::object;
      const int c = next_nonblank();
      if (c == '=' && at_ < text_.size() && text_[at_] == '>') {
        ++at_;
      } else if (c != ':' && c != '=') {
        return fail(c == kNone ? kCut : "a ':' is missing after the name of a member");
      }
      break;
    }
    case Scope::empty_document: {
      constexpr std::string_view kGuard = ")]}'\n";
      if (next_nonblank() != kNone) {
        --at_;
        if (text_.substr(at_).starts_with(kGuard)) {
          at_ += kGuard.size();
        }
      }
      scope = Scope::document;
      break;
    }
    case Scope::document:
      // Gson is lenient up to here only: no comments.
      if (text_.find_first_not_of(" \t\r\n", at_) == std::string_view::npos) {
        return Token::end;
      }
      return fail("more comes after the array");
  }
  return find_value(before);
}

GsonReader::Token GsonReader::find_value(Scope before) {
  const int c = next_nonblank();
  if (c == kNone) {
    return fail("it ends too early");
  }
  has_begun_ = true;
  const bool in_array = before == Scope::empty_array || before == Scope::array;
  switch (c) {
    case ']':
      if (before == Scope::empty_array) {
        return Token::end_array;
      }
      [[fallthrough]];
    case ';':
    case ',':
      if (!in_array) {
        return fail("a value is missing");
      }
      --at_;
      return Token::null;
    case '\'':
    case '"':
      quote_ = static_cast<char>(c);
      peeked_ = Peeked::quoted;
      return Token::string;
    case '[':
      return Token::begin_array;
    case '{':
      return Token::begin_object;
    default:
      break;
  }
  --at_;
  if (!is_literal(static_cast<char>(c))) {
    return fail("a value is missing");
  }
  if (is_keyword(literal(), "null")) {
    at_ += 4;
    return Token::null;
  }
  peeked_ = Peeked::literal;
  return Token::string;
}

std::string_view GsonReader::literal() {
  const std::string_view rest = text_.substr(at_);
  return rest.substr(0, rest.find_first_of(kEnds));
}

bool GsonReader::take(Token token) {
  if (peek() != token) {
    constexpr const char* kNames[] = {"an array",  "the end of an array",
                                      "an object", "the end of an object",
                                      "a string",  "null",
                                      "the end",   ""};
    fail(std::string("not ") + kNames[static_cast<int>(token)] + " where one must be");
    return false;
  }
  switch (token) {
    case Token::begin_array:
    case Token::begin_object:
      if (scopes_.size() > kMaxDepth) {
        fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
        return false;
      }
      scopes_.push_back(token == Token::begin_array ? Scope::empty_array : Scope::empty_object);
      break;
    case Token::end_array:
    case Token::end_object:
      scopes_.pop_back();
      break;
    case Token::string:
    case Token::null:
    case Token::end:
    case Token::fault:
      break;
  }
  peeked_ = Peeked::none;
  return true;
}

bool GsonReader::take_string(std::string& out) {
  out.clear();
  if (peek() != Token::string) {
    return take(Token::string);
  }
  if (peeked_ == Peeked::quoted) {
    if (!read_quoted(&out)) {
      return false;
    }
  } else {
    const std::string_view text = literal();
    at_ += text.size();
    const bool is_value = scopes_.back() != Scope::dangling_name;
    if (is_value && is_keyword(text, "true")) {
      out = "true";
    } else if (is_value && is_keyword(text, "false")) {
      out = "false";
    } else {
      out = text;
    }
  }
  peeked_ = Peeked::none;
  return true;
}

// at_ is after the opening quote.
bool GsonReader::read_quoted(std::string* out) {
  const char stops[] = {quote_, '\\', '\0'};
  for (;;) {
    const std::size_t end = text_.find_first_of(std::string_view(stops, 2), at_);
    if (end == std::string_view::npos) {
      at_ = text_.size();
      fail("a string without an end");
      return false;
    }
    if (out != nullptr) {
      *out += text_.substr(at_, end - at_);
    }
    at_ = end + 1;
    if (text_[end] == quote_) {
      return true;
    }
    if (!read_escape(out)) {
      return false;
    }
  }
}

bool GsonReader::read_escape(std::string* out) {
  if (at_ == text_.size()) {
    fail("an escape without an end");
    return false;
  }
  constexpr std::string_view kLetters = "tbnrf\n'\"\\/";
  constexpr std::string_view kMeanings = "\t\b\n\r\f\n'\"\\/";
  const char c = text_[at_++];
  if (c == 'u') {
    std::uint32_t unit = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      if (at_ + i == text_.size()) {
        fail("an escape without an end");
        return false;
      }
      const int digit = hex_digit(text_[at_ + i]);
      if (digit < 0) {
        is_number_fault_ = text_.size() - at_ >= 4;
        fail("\\u without four digits");
        return false;
      }
      unit = unit << 4 | static_cast<std::uint32_t>(digit);
    }
    at_ += 4;
    if (out != nullptr) {
      append_java_char(*out, unit);
    }
    return true;
  }
  const std::size_t letter = kLetters.find(c);
  if (letter == std::string_view::npos) {
    fail("an unknown escape");
    return false;
  }
  if (out != nullptr) {
    *out += kMeanings[letter];
  }
  return true;
}

bool GsonReader::skip_value() {
  const std::size_t depth = scopes_.size();
  do {
    const Token token = peek();
    if (token == Token::string) {
      if (peeked_ == Peeked::quoted) {
        if (!read_quoted(nullptr)) {
          return false;
        }
      } else {
        at_ += literal().size();
      }
      peeked_ = Peeked::none;
    } else if (token == Token::fault || token == Token::end || !take(token)) {
      return false;
    }
  } while (scopes_.size() > depth || scopes_.back() == Scope::dangling_name);
  return true;
}

}  // namespace fl
