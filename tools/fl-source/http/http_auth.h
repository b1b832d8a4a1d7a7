// Who may send: a user with a password, or anybody with a token.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/option/secret.h"

namespace fl {

class HttpAuth {
 public:
  /// Reads the secrets. Class config: a user without a password, or an empty secret.
  Status open(const std::string& user, const Secret& password, const Secret& token);

  /// Clients must authenticate.
  bool is_on() const { return basic_.has_value() || bearer_.has_value(); }
  /// Whether this Authorization header grants access. How long it takes does not depend on how much
  /// of it is right.
  bool accepts(std::optional<std::string_view> header) const;
  /// For WWW-Authenticate.
  std::string_view challenge() const {
    return basic_ ? R"(Basic realm="fl", charset="UTF-8")" : R"(Bearer realm="fl")";
  }

 private:
  std::optional<std::string> basic_;   // as it follows the word Basic
  std::optional<std::string> bearer_;  // as it follows the word Bearer
};

}  // namespace fl
