// Small JSON documents as a tree. (common/hadoop reads listings of any length with simdjson
// itself.)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

struct JsonMember;

/// A parsed value. Numbers keep their text's value as double and as integer where they have one.
struct Json {
  enum class Type { null, boolean, number, string, array, object };
  Type type = Type::null;
  bool boolean = false;
  double number = 0;
  long long integer = 0;
  std::string string;
  std::vector<Json> items;
  std::vector<JsonMember> members;

  /// Member `key` of an object, or nullptr.
  const Json* find(std::string_view key) const;
  bool is_string(std::string_view text) const { return type == Type::string && string == text; }
};

// Not a pair: clang 14 wants its members complete inside Json.
struct JsonMember {
  std::string name;
  Json value;
};

/// At most 1 MiB of text and 32 levels; class input otherwise.
Result<Json> parse_json(std::string_view text);

}  // namespace fl
