#include "common/regex/java_pattern.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace fl {
namespace {

// Not \n, \r, next line, line and paragraph separator.
constexpr std::string_view kDot = R"([^\n\r\x{85}\x{2028}\x{2029}])";

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kAsciiClasses = {{
    {"Lower", "lower"},
    {"Upper", "upper"},
    {"ASCII", "ascii"},
    {"Alpha", "alpha"},
    {"Digit", "digit"},
    {"Alnum", "alnum"},
    {"Punct", "punct"},
    {"Graph", "graph"},
    {"Print", "print"},
    {"Blank", "blank"},
    {"Cntrl", "cntrl"},
    {"XDigit", "xdigit"},
    {"Space", "space"},
}};

std::optional<std::uint32_t> number(std::string_view digits, int base) {
  std::uint32_t value = 0;
  const auto [end, failed] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (failed != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

class Translator {
 public:
  Translator(std::string_view pattern, bool characters)
      : in_(pattern), dot_(characters && !has_flag_s() ? kDot : ".") {}

  Result<std::string> run() {
    while (at_ < in_.size() && !error_) {
      step();
    }
    if (error_) {
      return *error_;
    }
    return std::move(out_);
  }

 private:
  // With (?s) somewhere, where a dot may match all depends on its place: PCRE2 knows.
  bool has_flag_s() const {
    for (std::size_t i = in_.find("(?"); i != std::string_view::npos; i = in_.find("(?", i + 2)) {
      for (std::size_t k = i + 2; k < in_.size() && in_[k] >= 'a' && in_[k] <= 'z'; ++k) {
        if (in_[k] == 's') {
          return true;
        }
      }
    }
    return false;
  }

  void fail(const std::string& what, std::string hint) {
    error_ = Error{ErrorClass::usage,
                   "cannot use the regular expression '" + std::string(in_) + "': " + what,
                   std::move(hint)};
  }

  void copy(std::size_t size) {
    out_ += in_.substr(at_, size);
    at_ = std::min(at_ + size, in_.size());
  }

  void step() {
    const char c = in_[at_];
    if (c == '\\') {
      escape();
    } else if (class_start_ != std::string_view::npos) {
      step_in_class(c);
    } else if (c == '[') {
      class_start_ = at_;
      copy(1);
      if (at_ < in_.size() && in_[at_] == '^') {
        copy(1);
      }
      if (at_ < in_.size() && in_[at_] == ']') {
        copy(1);  // the first one stands for itself
      }
    } else if (c == '.') {
      out_ += dot_;
      ++at_;
    } else if (in_.substr(at_, 2) == "(?") {
      flags();
    } else {
      copy(1);
    }
  }

  void step_in_class(char c) {
    if (c == '[') {
      const std::size_t end = in_.find(":]", at_ + 2);
      if (in_.substr(at_, 2) == "[:" && end != std::string_view::npos) {
        copy(end + 2 - at_);
      } else {
        fail("[ inside [ ] begins a set of its own in Java only",
             "write \\[ for the bracket itself, or one set without inner brackets");
      }
    } else if (in_.substr(at_, 2) == "&&") {
      fail("&& inside [ ] is known to Java only", "write the resulting set of characters");
    } else {
      if (c == ']') {
        class_start_ = std::string_view::npos;
      }
      copy(1);
    }
  }

  // (?flags) and (?flags:
  void flags() {
    std::size_t end = at_ + 2;
    while (end < in_.size() && (std::string_view("idmsuxU-").find(in_[end]) != in_.npos)) {
      ++end;
    }
    if (end == at_ + 2 || end == in_.size() || (in_[end] != ')' && in_[end] != ':')) {
      copy(2);
      return;
    }
    for (; at_ < end; ++at_) {
      if (in_[at_] == 'd' || in_[at_] == 'U') {
        fail(std::string("the flag ") + in_[at_] + " is known to Java only",
             "spell out what it stands for");
        return;
      }
      if (in_[at_] != 'u') {  // what PCRE2 does anyway
        out_ += in_[at_];
      }
    }
  }

  void escape() {
    const char next = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    switch (next) {
      case 'Q': {
        const std::size_t end = in_.find("\\E", at_ + 2);
        copy(end == std::string_view::npos ? in_.size() - at_ : end + 2 - at_);
        return;
      }
      case 'u':
        unicode();
        return;
      case '0':
        octal();
        return;
      case 'p':
      case 'P':
        property(next);
        return;
      default:
        copy(2);
    }
  }

  void code_point(std::uint32_t value) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    out_ += "\\x{";
    for (int shift = 20; shift >= 0; shift -= 4) {
      out_ += kDigits[(value >> shift) & 15];
    }
    out_ += '}';
  }

  std::optional<std::uint32_t> unit_at(std::size_t at) const {
    return in_.substr(at, 2) == "\\u" && at + 6 <= in_.size() ? number(in_.substr(at + 2, 4), 16)
                                                              : std::nullopt;
  }

  void unicode() {
    const std::optional<std::uint32_t> first = unit_at(at_);
    if (!first) {
      fail("\\u is not followed by four hexadecimal digits", {});
      return;
    }
    at_ += 6;
    const std::optional<std::uint32_t> second = unit_at(at_);
    if ((*first & 0xFC00) == 0xD800 && second && (*second & 0xFC00) == 0xDC00) {
      at_ += 6;
      code_point(0x10000 + ((*first & 0x3FF) << 10) + (*second & 0x3FF));
    } else {
      code_point(*first);
    }
  }

  // \0n, \0nn, \0mnn with m up to 3
  void octal() {
    std::size_t size = 0;
    std::uint32_t value = 0;
    while (size < 3 && at_ + 2 + size < in_.size()) {
      const char c = in_[at_ + 2 + size];
      if (c < '0' || c > '7' || value * 8 > 0xFF) {
        break;
      }
      value = value * 8 + static_cast<std::uint32_t>(c - '0');
      ++size;
    }
    if (size == 0) {
      fail("\\0 is not followed by an octal digit", {});
      return;
    }
    at_ += 2 + size;
    code_point(value);
  }

  void property(char letter) {
    const std::size_t end = in_.find('}', at_);
    if (in_.substr(at_ + 2, 1) != "{" || end == std::string_view::npos) {
      copy(2);
      return;
    }
    std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    at_ = end + 1;
    const bool in_class = class_start_ != std::string_view::npos;
    for (const auto& [java, posix] : kAsciiClasses) {
      if (java == name) {
        out_ += in_class ? "[:" : "[[:";
        out_ += letter == 'P' ? "^" : "";
        out_ += posix;
        out_ += in_class ? ":]" : ":]]";
        return;
      }
    }
    if (name.substr(0, 2) == "Is") {
      name.remove_prefix(2);
    }
    ((out_ += '\\') += letter) += '{';
    (out_ += name) += '}';
  }

  std::string_view in_;
  std::string_view dot_;
  std::size_t at_ = 0;
  std::size_t class_start_ = std::string_view::npos;  // npos: not inside [ ]
  std::string out_;
  std::optional<Error> error_;
};

}  // namespace

Result<std::string> pcre2_pattern(std::string_view pattern, bool characters) {
  return Translator(pattern, characters).run();
}

}  // namespace fl
