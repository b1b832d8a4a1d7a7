#include "tools/fl-source/sql/avro_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/event/varint.h"
#include "tools/fl-source/sql/avro_value.h"

namespace fl {
namespace {

constexpr unsigned kUnsignedDigits = 20;  // of BIGINT UNSIGNED and BIT(64)

std::string legal_name(std::string_view name) {
  std::string legal;
  while (!name.empty()) {
    const std::size_t size = std::max<std::size_t>(1, utf8_length(name));
    const char c = name[0];
    const bool is_digit = c >= '0' && c <= '9';
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (is_digit && legal.empty()) {
      legal += '_';
    }
    legal += is_digit || is_letter ? c : '_';
    name.remove_prefix(size);
  }
  return legal.empty() ? "_" : legal;
}

// A record cannot have the name of a type, whatever its namespace is.
std::string record_name(std::string_view table) {
  constexpr std::array<std::string_view, 17> kTypes{
      "null",  "boolean", "int",   "long", "float", "double", "bytes",   "string",     "record",
      "error", "enum",    "array", "map",  "union", "fixed",  "request", "error_union"};
  std::string name = legal_name(table);
  const bool is_type = std::find(kTypes.begin(), kTypes.end(), name) != kTypes.end();
  return is_type ? name + "_" : name;
}

std::string logical(std::string_view type, std::string_view logical_type) {
  return fmt::format(R"({{"type":"{}","logicalType":"{}"}})", type, logical_type);
}

}  // namespace

AvroRow::Field AvroRow::field_of(const SqlColumn& column) {
  Field field;
  field.column = column.name;
  field.is_nullable = column.is_nullable;
  const auto unsigned_number = [&field](Type type) {
    field.type = type;
    field.precision = kUnsignedDigits;
  };
  switch (column.kind) {
    case SqlKind::integer:
      if (column.bits > 64) {
        unsigned_number(Type::decimal);
      } else {
        field.type = column.bits > 32 ? Type::long_ : Type::int_;
      }
      break;
    case SqlKind::bit:
      if (column.bits > 64) {
        unsigned_number(Type::wide_bits);
      } else {
        field.type = Type::bits;
      }
      break;
    case SqlKind::decimal:
      field.type = Type::decimal;
      field.precision = column.digits;
      field.scale = column.scale;
      break;
    case SqlKind::number:
      field.type = column.bits > 32 ? Type::double_ : Type::float_;
      break;
    case SqlKind::single:
      field.type = Type::float_;
      break;
    case SqlKind::date:
      field.type = Type::date;
      break;
    case SqlKind::datetime:
      field.type = Type::local_timestamp;
      break;
    case SqlKind::timestamp:
      field.type = Type::timestamp;
      break;
    case SqlKind::text:
      field.type = Type::string;
      break;
    case SqlKind::bytes:
      field.type = Type::bytes;
      break;
  }
  return field;
}

std::string AvroRow::type_text(const Field& field) {
  switch (field.type) {
    case Type::int_:
      return "\"int\"";
    case Type::long_:
    case Type::bits:
      return "\"long\"";
    case Type::decimal:
    case Type::wide_bits:
      return fmt::format(R"({{"type":"bytes","logicalType":"decimal","precision":{},"scale":{}}})",
                         field.precision, field.scale);
    case Type::float_:
      return "\"float\"";
    case Type::double_:
      return "\"double\"";
    case Type::date:
      return logical("int", "date");
    case Type::local_timestamp:
      return logical("long", "local-timestamp-micros");
    case Type::timestamp:
      return logical("long", "timestamp-micros");
    case Type::string:
      return "\"string\"";
    case Type::bytes:
      return "\"bytes\"";
  }
  return {};
}

Result<AvroRow> AvroRow::make(const std::vector<SqlColumn>& columns, std::string_view database,
                              std::string_view table) {
  AvroRow row;
  const std::string name = record_name(table);
  const std::string space = legal_name(database);
  row.name_ = space + "." + name;
  row.schema_ =
      fmt::format(R"({{"type":"record","name":"{}","namespace":"{}","fields":[)", name, space);
  std::map<std::string, std::string> columns_by_name;
  for (const SqlColumn& column : columns) {
    const std::string legal = legal_name(column.name);
    const auto [other, is_new] = columns_by_name.emplace(legal, column.name);
    if (!is_new) {
      return Error{ErrorClass::config,
                   other->second == column.name
                       ? fmt::format("two columns are called '{}'", printable(column.name))
                       : fmt::format("the columns '{}' and '{}' are both called '{}' in Avro",
                                     printable(other->second), printable(column.name), legal),
                   "give one another name with AS in --query"};
    }
    row.fields_.push_back(field_of(column));
    const std::string type = type_text(row.fields_.back());
    row.schema_ += row.fields_.size() == 1 ? "" : ",";
    row.schema_ += fmt::format(R"({{"name":"{}","type":)", legal);
    row.schema_ += column.is_nullable ? "[\"null\"," + type + "],\"default\":null" : type;
    if (legal != column.name) {
      row.schema_ += ",\"columnName\":" + json_quoted(column.name);
    }
    row.schema_ += '}';
  }
  row.schema_ += "]}";
  return row;
}

bool AvroRow::append_value(std::string& out, const Field& field, std::string_view text) {
  switch (field.type) {
    case Type::int_:
      return append_avro_integer(out, text, INT32_MIN, INT32_MAX);
    case Type::long_:
      return append_avro_integer(out, text, INT64_MIN, INT64_MAX);
    case Type::decimal:
      return append_avro_decimal(out, text, field.precision, field.scale);
    case Type::float_:
      return append_avro_float(out, text);
    case Type::double_:
      return append_avro_double(out, text);
    case Type::bits:
      append_varint(out, static_cast<std::int64_t>(sql_bits(text)));
      return true;
    case Type::wide_bits:
      return append_avro_decimal(out, std::to_string(sql_bits(text)), field.precision, 0);
    case Type::date:
      return append_avro_date(out, text);
    case Type::local_timestamp:
    case Type::timestamp:
      return append_avro_micros(out, text);
    case Type::string:
      append_avro_string(out, text);
      return true;
    case Type::bytes:
      append_sized(out, text);
      return true;
  }
  return false;
}

Status AvroRow::append(std::string& out, const SqlValue* values) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const Field& field = fields_[i];
    if (values[i].data == nullptr) {
      if (!field.is_nullable) {
        return Error{
            ErrorClass::input,
            fmt::format("'{}' is NULL, which the server rules out", printable(field.column)),
            "use --format json, or let --reject FILE keep such rows"};
      }
      append_varint(out, 0);
      continue;
    }
    if (field.is_nullable) {
      append_varint(out, 1);
    }
    if (append_value(out, field, values[i].text())) {
      continue;
    }
    const bool is_time = field.type == Type::date || field.type == Type::local_timestamp ||
                         field.type == Type::timestamp;
    return Error{ErrorClass::input,
                 fmt::format("'{}' in '{}' is not {}", printable(values[i].text().substr(0, 100)),
                             printable(field.column),
                             is_time ? "a date of the calendar" : "a value of the column's type"),
                 fmt::format("use --format json, or CAST({} AS CHAR) in --query, or let --reject "
                             "FILE keep such rows",
                             printable(field.column))};
  }
  return {};
}

}  // namespace fl
