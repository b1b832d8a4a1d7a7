#include "tools/fl-source/sql/avro_value.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>

#include "common/base/text.h"
#include "common/event/event.h"
#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

// ---------------------------------------------------------------- decimals

// The digits of "12.5" with `scale` of them after the point; nothing where one would be lost.
class Digits {
 public:
  bool take(std::string_view text, unsigned precision, unsigned scale) {
    const std::size_t point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    std::string_view rest = point == std::string_view::npos ? "" : text.substr(point + 1);
    while (rest.size() > scale && rest.back() == '0') {
      rest.remove_suffix(1);
    }
    if (whole.size() + rest.size() == 0 || rest.size() > scale || !add(whole) || !add(rest)) {
      return false;
    }
    for (std::size_t i = rest.size(); i < scale; ++i) {
      if (!add("0")) {
        return false;
      }
    }
    return size_ <= precision;
  }
  std::string_view text() const { return {digits_.data(), size_}; }

 private:
  bool add(std::string_view digits) {
    for (const char digit : digits) {
      if (!is_digit(digit)) {
        return false;
      }
      if (size_ == 0 && digit == '0') {
        continue;
      }
      if (size_ == digits_.size()) {
        return false;
      }
      digits_[size_++] = digit;
    }
    return true;
  }

  std::array<char, kMaxAvroDigits> digits_{};
  std::size_t size_ = 0;
};

// Holds any number of kMaxAvroDigits digits, with a sign.
using Wide = std::array<std::uint8_t, 32>;

Wide wide_of(std::string_view digits) {
  Wide number{};
  while (!digits.empty()) {
    const std::size_t count = digits.size() < 9 ? digits.size() : 9;
    std::uint32_t carry = 0;
    std::uint32_t factor = 1;
    for (std::size_t i = 0; i < count; ++i) {
      carry = carry * 10 + static_cast<std::uint32_t>(digits[i] - '0');
      factor *= 10;
    }
    digits.remove_prefix(count);
    for (std::size_t i = number.size(); i-- > 0;) {
      const std::uint64_t value = std::uint64_t{number[i]} * factor + carry;
      number[i] = static_cast<std::uint8_t>(value);
      carry = static_cast<std::uint32_t>(value >> 8);
    }
  }
  return number;
}

void negate(Wide& number) {
  bool carries = true;
  for (std::size_t i = number.size(); i-- > 0;) {
    number[i] = static_cast<std::uint8_t>(~number[i] + (carries ? 1 : 0));
    carries = carries && number[i] == 0;
  }
}

// ---------------------------------------------------------------- dates

// Reads "2026-02-28 23:59:59.5" from the left.
class Clock {
 public:
  explicit Clock(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool pass(char letter) {
    if (text_.empty() || text_[0] != letter) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }
  // Exactly `width` digits.
  bool number(std::size_t width, unsigned most, unsigned& value) {
    value = 0;
    for (; width > 0; --width) {
      if (text_.empty() || !is_digit(text_[0])) {
        return false;
      }
      value = value * 10 + static_cast<unsigned>(text_[0] - '0');
      text_.remove_prefix(1);
    }
    return value <= most;
  }
  // Up to six digits after the point.
  bool fraction(unsigned& micros) {
    micros = 0;
    unsigned weight = 1'000'000;
    while (weight > 1 && !text_.empty() && is_digit(text_[0])) {
      weight /= 10;
      micros += weight * static_cast<unsigned>(text_[0] - '0');
      text_.remove_prefix(1);
    }
    return weight < 1'000'000;
  }

 private:
  std::string_view text_;
};

std::optional<std::int64_t> take_days(Clock& clock) {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (!clock.number(4, 9999, year) || !clock.pass('-') || !clock.number(2, 12, month) ||
      !clock.pass('-') || !clock.number(2, 31, day)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(month), std::chrono::day(day));
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date).time_since_epoch().count();
}

// ---------------------------------------------------------------- floating numbers

std::optional<double> double_of(std::string_view digits) {
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool is_whole = error == std::errc() && end == digits.data() + digits.size();
  return is_whole ? std::optional(value) : std::nullopt;
}

template <typename Bits, typename Float>
void append_ieee(std::string& out, Float value) {
  static_assert(sizeof(Bits) == sizeof(Float));
  Bits bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  for (std::size_t i = 0; i < sizeof bits; ++i) {
    out += static_cast<char>(bits >> (8 * i));
  }
}

}  // namespace

bool append_avro_integer(std::string& out, std::string_view digits, std::int64_t least,
                         std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < least ||
      value > most) {
    return false;
  }
  append_varint(out, value);
  return true;
}

bool append_avro_decimal(std::string& out, std::string_view text, unsigned precision,
                         unsigned scale) {
  const bool is_negative = text.starts_with('-');
  Digits digits;
  if (!digits.take(text.substr(is_negative ? 1 : 0), precision, scale)) {
    return false;
  }
  Wide number = wide_of(digits.text());
  if (is_negative) {
    negate(number);
  }
  // Bytes in front that only repeat the sign are left out.
  std::size_t first = 0;
  while (first + 1 < number.size() &&
         number[first] == ((number[first + 1] & 0x80) != 0 ? 0xff : 0)) {
    ++first;
  }
  append_sized(out, {reinterpret_cast<const char*>(number.data()) + first, number.size() - first});
  return true;
}

bool append_avro_float(std::string& out, std::string_view digits) {
  const std::optional<double> value = double_of(digits);
  if (value) {
    append_ieee<std::uint32_t>(out, static_cast<float>(*value));
  }
  return value.has_value();
}

bool append_avro_double(std::string& out, std::string_view digits) {
  const std::optional<double> value = double_of(digits);
  if (value) {
    append_ieee<std::uint64_t>(out, *value);
  }
  return value.has_value();
}

bool append_avro_date(std::string& out, std::string_view text) {
  Clock clock(text);
  const std::optional<std::int64_t> days = take_days(clock);
  if (!days || !clock.at_end()) {
    return false;
  }
  append_varint(out, *days);
  return true;
}

bool append_avro_micros(std::string& out, std::string_view text) {
  Clock clock(text);
  const std::optional<std::int64_t> days = take_days(clock);
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned micros = 0;
  if (!days || !clock.pass(' ') || !clock.number(2, 23, hour) || !clock.pass(':') ||
      !clock.number(2, 59, minute) || !clock.pass(':') || !clock.number(2, 59, second) ||
      (clock.pass('.') && !clock.fraction(micros)) || !clock.at_end()) {
    return false;
  }
  const std::int64_t minutes = (*days * 24 + hour) * 60 + minute;
  const std::int64_t seconds = minutes * 60 + second;
  append_varint(out, seconds * 1'000'000 + micros);
  return true;
}

void append_avro_string(std::string& out, std::string_view text) {
  if (is_valid_utf8(text)) {
    append_sized(out, text);
    return;
  }
  std::string valid;
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    valid += size == 0 ? kReplacement : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  append_sized(out, valid);
}

}  // namespace fl
