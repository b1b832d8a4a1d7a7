// The values of partition columns: which ones a type allows, and how Hive writes them in a path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// What stands for NULL and for an empty text.
constexpr std::string_view kDefaultPartition = "__HIVE_DEFAULT_PARTITION__";

/// A partition column: the metastore takes any text as its value, and a wrong one makes every query
/// of the table fail.
class PartitionColumn {
 public:
  /// `type` as Hive writes it ("varchar(20)"). Class config: no values can be checked for it.
  static Result<PartitionColumn> make(std::string name, std::string_view type);

  const std::string& name() const { return name_; }
  const std::string& type() const { return type_; }
  /// Brings a value into the form that Hive gives it (07 in an int column is 7; empty is NULL).
  /// Class input: the column cannot have it.
  Status check(std::string& value) const;

 private:
  enum class Kind { text, integer, decimal, real, boolean, date, timestamp };
  Status check_integer(std::string& value) const;
  Status check_decimal(const std::string& value) const;
  Status wrong(const std::string& value, const std::string& why = {}) const;

  std::string name_;
  std::string type_;
  Kind kind_ = Kind::text;
  std::size_t most_ = 0;  // characters of text, digits of a decimal; 0: any
  std::size_t scale_ = 0;
  std::int64_t lowest_ = 0;
  std::int64_t highest_ = 0;
};

/// Appends `text` as Hive writes a column or value in a directory's name.
void append_hive_escaped(std::string& out, std::string_view text);
/// The values in "k=v/k2=v2".
std::vector<std::string> partition_values(std::string_view directory);

}  // namespace fl
