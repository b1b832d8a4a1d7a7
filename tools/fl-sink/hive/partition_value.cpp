#include "tools/fl-sink/hive/partition_value.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "common/base/log.h"
#include "common/event/event.h"

namespace fl {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

int number_of(std::string_view digits) {
  int value = 0;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !all_digits(text.substr(0, 4)) ||
      !all_digits(text.substr(5, 2)) || !all_digits(text.substr(8, 2))) {
    return false;
  }
  const std::chrono::year_month_day date{
      std::chrono::year(number_of(text.substr(0, 4))),
      std::chrono::month(static_cast<unsigned>(number_of(text.substr(5, 2)))),
      std::chrono::day(static_cast<unsigned>(number_of(text.substr(8, 2))))};
  return date.ok() && date.year() >= std::chrono::year(1);
}

bool is_timestamp(std::string_view text) {
  if (text.size() < 19 || text[10] != ' ' || !is_date(text.substr(0, 10))) {
    return false;
  }
  const std::string_view time = text.substr(11, 8);
  if (time[2] != ':' || time[5] != ':' || !all_digits(time.substr(0, 2)) ||
      !all_digits(time.substr(3, 2)) || !all_digits(time.substr(6, 2)) ||
      number_of(time.substr(0, 2)) > 23 || number_of(time.substr(3, 2)) > 59 ||
      number_of(time.substr(6, 2)) > 59) {
    return false;
  }
  const std::string_view rest = text.substr(19);
  return rest.empty() || (rest[0] == '.' && rest.size() <= 10 && all_digits(rest.substr(1)));
}

bool is_escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F ||
         std::string_view("\"#%'*/:=?\\{[]^").find(c) != std::string_view::npos;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string without_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
            text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<PartitionColumn> PartitionColumn::make(std::string name, std::string_view type) {
  PartitionColumn column;
  column.name_ = std::move(name);
  column.type_ = std::string(type);
  const std::size_t bracket = std::min(type.find('('), type.size());
  const std::string_view word = type.substr(0, bracket);
  const std::string_view size = type.substr(bracket);
  const auto whole = [&](int bits) {
    column.kind_ = Kind::integer;
    column.highest_ = static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
    column.lowest_ = -column.highest_ - 1;
  };
  if (word == "varchar" || word == "char") {
    column.most_ = static_cast<std::size_t>(
        std::max(0, size.size() > 2 ? number_of(size.substr(1, size.size() - 2)) : 0));
  } else if (word == "tinyint") {
    whole(8);
  } else if (word == "smallint") {
    whole(16);
  } else if (word == "int") {
    whole(32);
  } else if (word == "bigint") {
    whole(64);
  } else if (word == "decimal") {
    column.kind_ = Kind::decimal;
    column.most_ = 10;
    if (size.size() > 2) {
      const std::size_t comma = std::min(size.find(','), size.size() - 1);
      column.most_ = static_cast<std::size_t>(number_of(size.substr(1, comma - 1)));
      column.scale_ =
          comma + 1 < size.size() ? static_cast<std::size_t>(number_of(size.substr(comma + 1))) : 0;
    }
  } else if (word == "float" || word == "double") {
    column.kind_ = Kind::real;
  } else if (word == "boolean") {
    column.kind_ = Kind::boolean;
  } else if (word == "date") {
    column.kind_ = Kind::date;
  } else if (word == "timestamp") {
    column.kind_ = Kind::timestamp;
  } else if (word != "string") {
    return Error{ErrorClass::config,
                 "the partition column '" + column.name_ + "' is of type " + column.type_ +
                     ", whose values cannot be checked",
                 "string, char, varchar, whole numbers, decimal, float, double, boolean, date and "
                 "timestamp are possible"};
  }
  return column;
}

Status PartitionColumn::wrong(const std::string& value, const std::string& why) const {
  return Error{ErrorClass::input,
               "'" + printable(value.substr(0, 64)) +
                   "' cannot be a value of the partition column " + name_ + " " + type_ +
                   (why.empty() ? "" : ": " + why),
               "--partition decides which values there are"};
}

Status PartitionColumn::check(std::string& value) const {
  if (value.empty() || value == kDefaultPartition) {
    if (kind_ != Kind::text) {
      return wrong(value, "it is empty");
    }
    value = kDefaultPartition;
    return {};
  }
  bool is_right = true;
  switch (kind_) {
    case Kind::text:
      if (!is_valid_utf8(value) || value.find('\0') != std::string::npos) {
        return wrong(value, "it is not UTF-8 text");
      }
      is_right = most_ == 0 || characters(value) <= most_;
      break;
    case Kind::integer:
      return check_integer(value);
    case Kind::decimal:
      return check_decimal(value);
    case Kind::real: {
      double number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      is_right = error == std::errc() && end == value.data() + value.size() &&
                 std::isfinite(number) && value.find_first_of("nN") == std::string::npos;
      break;
    }
    case Kind::boolean:
      std::transform(value.begin(), value.end(), value.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
      });
      is_right = value == "true" || value == "false";
      break;
    case Kind::date:
      is_right = is_date(value);
      break;
    case Kind::timestamp:
      is_right = is_timestamp(value);
      break;
  }
  return is_right ? Status() : wrong(value);
}

Status PartitionColumn::check_integer(std::string& value) const {
  const bool is_negative = value.starts_with('-');
  std::string_view digits = std::string_view(value).substr(is_negative ? 1 : 0);
  if (!all_digits(digits)) {
    return wrong(value);
  }
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const std::string text = (is_negative && digits != "0" ? "-" : "") + std::string(digits);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < lowest_ ||
      number > highest_) {
    return wrong(value);
  }
  value = text;
  return {};
}

Status PartitionColumn::check_decimal(const std::string& value) const {
  std::string_view rest = value;
  if (rest.starts_with('-')) {
    rest.remove_prefix(1);
  }
  const std::size_t point = std::min(rest.find('.'), rest.size());
  const std::string_view before = rest.substr(0, point);
  const std::string_view after = rest.substr(std::min(point + 1, rest.size()));
  const bool is_whole = point == rest.size();
  const bool is_plain = before == "0" || (all_digits(before) && before[0] != '0');
  if (!is_plain || (!is_whole && !all_digits(after)) || after.size() > scale_ ||
      (before == "0" ? 0 : before.size()) > most_ - std::min(scale_, most_)) {
    return wrong(value);
  }
  return {};
}

void append_hive_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_escaped(c)) {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      out += c;
    }
  }
}

std::vector<std::string> partition_values(std::string_view directory) {
  std::vector<std::string> values;
  while (!directory.empty()) {
    const std::size_t slash = std::min(directory.find('/'), directory.size());
    const std::string_view part = directory.substr(0, slash);
    const std::size_t equals = part.find('=');
    values.push_back(
        without_escapes(equals == std::string_view::npos ? part : part.substr(equals + 1)));
    directory.remove_prefix(std::min(slash + 1, directory.size()));
  }
  return values;
}

}  // namespace fl
