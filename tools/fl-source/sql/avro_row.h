// Rows as data of an Avro record (Avro specification, "Binary Encoding" and "Logical Types").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "tools/fl-source/sql/row_form.h"

namespace fl {

/// Writes rows of one result. The type of each column is that of its values without loss; a column
/// that may be NULL is a union of null and that type, with the default null. The table of types is
/// in the description of the source.
class AvroRow {
 public:
  /// Names become legal for Avro: each character that is not a letter of ASCII, a digit or _
  /// becomes _, and a _ comes before a digit at the beginning. Class config: two columns have the
  /// same name then.
  static Result<AvroRow> make(const std::vector<SqlColumn>& columns, std::string_view database,
                              std::string_view table);

  /// "shop.orders"
  const std::string& name() const { return name_; }
  /// As JSON without blanks.
  const std::string& schema() const { return schema_; }
  /// Appends the row; `values` has one for each column. Class input: a value that its type does not
  /// have, with what can be done. What was appended is unusable then.
  Status append(std::string& out, const SqlValue* values) const;

 private:
  enum class Type {
    int_,
    long_,
    decimal,
    float_,
    double_,
    bits,
    wide_bits,
    date,
    local_timestamp,
    timestamp,
    string,
    bytes,
  };
  struct Field {
    std::string column;  // as the server calls it
    Type type = Type::string;
    unsigned precision = 0;
    unsigned scale = 0;
    bool is_nullable = true;
  };

  static Field field_of(const SqlColumn& column);
  static std::string type_text(const Field& field);
  static bool append_value(std::string& out, const Field& field, std::string_view text);

  std::string name_;
  std::string schema_;
  std::vector<Field> fields_;
};

}  // namespace fl
