// Values of SQL, as a server writes them, in Avro's binary encoding.
//
// False everywhere: the text has no value of that type. What was appended until then is unusable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

/// Avro's int and long: digits between `least` and `most`; leading zeros are allowed.
bool append_avro_integer(std::string& out, std::string_view digits, std::int64_t least,
                         std::int64_t most);
/// bytes with logicalType decimal: "-12.50" as the shortest two's complement of -1250, the highest
/// byte first. At most kMaxAvroDigits digits.
bool append_avro_decimal(std::string& out, std::string_view text, unsigned precision,
                         unsigned scale);
constexpr unsigned kMaxAvroDigits = 76;

bool append_avro_float(std::string& out, std::string_view digits);
bool append_avro_double(std::string& out, std::string_view digits);

/// int with logicalType date: days since 1970 of "2026-02-28". A date that is not in the calendar
/// (0000-00-00, 2026-02-00, 2026-02-30) is invalid.
bool append_avro_date(std::string& out, std::string_view text);
/// long of microseconds since 1970 of "2026-02-28 23:59:59.000001": local-timestamp-micros and
/// timestamp-micros.
bool append_avro_micros(std::string& out, std::string_view text);

/// string: invalid UTF-8 becomes U+FFFD.
void append_avro_string(std::string& out, std::string_view text);

}  // namespace fl
