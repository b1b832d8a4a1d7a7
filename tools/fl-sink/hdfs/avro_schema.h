// An Avro schema from outside, and whether bytes are one datum of it (Avro specification, "Schema
// Declaration" and "Binary Encoding"). What a container holds must be right to the byte: one wrong
// datum makes the rest of its block unreadable.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/json/json.h"

namespace fl {

class AvroSchema {
 public:
  /// Longest text that is read.
  static constexpr std::size_t kMaxBytes = 256 << 10;
  /// Schemas within schemas, and values within values.
  static constexpr int kMaxDepth = 64;

  /// Errors of class input: longer than kMaxBytes, not JSON, not a schema; the text says why.
  static Result<AvroSchema> parse(std::string_view json);

  /// The schema's text without the white space between its tokens.
  const std::string& text() const { return text_; }
  /// Whether `bytes` are exactly one datum, nothing before and nothing after it.
  bool is_datum(std::string_view bytes) const;

 private:
  enum class Type : std::uint8_t {
    null,
    boolean,
    int_,
    long_,
    float_,
    double_,
    bytes,
    string,
    record,
    enum_,
    array,
    map,
    union_,
    fixed,
  };
  struct Node {
    Type type = Type::null;
    std::uint64_t size = 0;             // of a fixed; number of symbols of an enum
    std::vector<std::uint32_t> inside;  // fields, branches, items, values
  };
  class Parser;
  class Reader;

  std::vector<Node> nodes_;
  std::uint32_t root_ = 0;
  std::string text_;
};

}  // namespace fl
