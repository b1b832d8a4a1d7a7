// Flume's ipFilterRules: who may connect.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// Rules "allow|deny:ip|name:PATTERN", of which the first that matches decides; where none does,
/// the client may connect. In a pattern * stands for any characters, dots too, and ? for one.
class IpFilter {
 public:
  struct Verdict {
    enum class Kind {
      allowed,
      denied,
      needs_name,  ///< a rule about names comes first: judge again with the client's
    };
    Kind kind = Kind::allowed;
    std::string_view rule = {};  ///< that denies it
  };

  /// `text`: rules with commas between. Class config.
  static Result<IpFilter> parse(std::string_view text);

  /// "localhost" as the pattern of a name needs none: it is every address of this host.
  Verdict judge(const sockaddr_storage& client,
                const std::optional<std::string>& name = std::nullopt) const;
  bool has_names() const;

 private:
  struct Rule {
    std::string text;
    std::string pattern;
    bool allows = false;
    bool is_name = false;
  };
  std::vector<Rule> rules_;
};

}  // namespace fl
