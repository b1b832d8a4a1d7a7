// JSON documents as a tree; a long array in one may be read item by item instead.
#pragma once

#include <cstddef>
#include <functional>
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
  Json* find(std::string_view key);
  bool is_string(std::string_view text) const { return type == Type::string && string == text; }
};

// Not a pair: clang 14 wants its members complete inside Json.
struct JsonMember {
  std::string name;
  Json value;
};

constexpr std::size_t kMaxJson = std::size_t{1} << 20;

/// At most `max_bytes` of text and 32 levels; class input otherwise.
Result<Json> parse_json(std::string_view text, std::size_t max_bytes = kMaxJson);
/// The same, but the items of the array called `list`, wherever it is a member, go one by one to
/// `take` and are not in the result. False from `take` ends it: class input.
Result<Json> parse_json(std::string_view text, std::size_t max_bytes, std::string_view list,
                        const std::function<bool(Json item)>& take);

}  // namespace fl
