// The properties of Java's clients, and what each of them is in librdkafka.
#pragma once

#include <string_view>

namespace fl {

struct JavaName {
  enum class Meaning {
    renamed,    ///< `text`: librdkafka's name
    no_effect,  ///< `text`: why
    special,    ///< read by hand
  };
  std::string_view name;
  Meaning meaning;
  std::string_view text;
};

/// Null: it has the same name in librdkafka, or nobody knows it.
const JavaName* find_java_name(std::string_view name);

}  // namespace fl
