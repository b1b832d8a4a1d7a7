// Finds fields in JSON texts, named by paths as jq writes them: .user.id, .tags[0], ."odd name".
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// One text after the other; each is read to its end, so that a text that is not JSON is recognised
/// wherever it goes wrong, and numbers keep their spelling (1.10, 20 digits).
class JsonFields {
 public:
  JsonFields();
  ~JsonFields();
  JsonFields(JsonFields&&) noexcept;
  JsonFields& operator=(JsonFields&&) noexcept;

  /// Another field to look for; its number is that of the calls before. Class config for an invalid
  /// path.
  Status add(std::string_view path);
  /// Looks for all of them. Class input: `text` is not a JSON object or array; the message says
  /// where.
  Status find(std::string_view text);
  /// The field with this number in the last text: a string without quotes and escapes, a number or
  /// a boolean as it is spelled, an object or an array as its text. Nothing: it is missing or null.
  const std::optional<std::string>& value(std::size_t number) const { return values_[number]; }
  std::size_t size() const { return values_.size(); }

 private:
  struct Node;
  struct Reader;

  std::unique_ptr<Node> root_;
  std::unique_ptr<Reader> reader_;
  std::vector<std::optional<std::string>> values_;
};

}  // namespace fl
