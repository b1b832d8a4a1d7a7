// A password, key or token that no command line, log line or text for people may show.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// Where a secret is: in an environment variable or a file (the command line names either), or in a
/// Flume file, as it is. Nothing is read before reveal().
class Secret {
 public:
  enum class Origin { none, literal, environment, file };

  Secret() = default;
  Secret(Origin origin, std::string_view text) : origin_(origin), text_(text) {}

  Origin origin() const { return origin_; }
  bool is_set() const { return origin_ != Origin::none; }

  /// The name of the variable or file; empty for any other place.
  std::string reference() const;

  /// The secret itself, without the newline that ends a file; empty if none was given. Errors:
  /// class config, or the system's where the file cannot be read. They never hold the secret.
  Result<std::string> reveal() const;

 private:
  Origin origin_ = Origin::none;
  std::string text_;
};

/// The properties under one prefix ("kafka.producer.*"), by the rest of their keys.
using PropertyMap = std::map<std::string, Secret>;

/// Whether a property of this name, which some library will read, is likely a secret.
bool sounds_secret(std::string_view name);

}  // namespace fl
