// What an answer means for the events of its request: Flume's rules by status, and ours.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/option/secret.h"

namespace fl {

/// What to do after an answer.
struct AnswerMeaning {
  enum class Events {
    delivered,
    dropped,  ///< a rule says so
    again,    ///< they are sent again
    refused,  ///< the server will never take them
  };
  Events events = Events::delivered;
  bool backs_off = false;     ///< the next request waits
  bool counts = true;         ///< in the metrics, as delivered
  bool needs_person = false;  ///< with `again`: it does not pass by itself
};

class AnswerRules {
 public:
  struct Settings {
    PropertyMap rollback;
    PropertyMap backoff;
    PropertyMap increment;
    std::string default_rollback = "auto";  ///< "true", "false"; "auto": ours
    bool default_backoff = true;
    bool default_increment = false;
  };

  /// Class usage: a name that is neither a status nor a group such as 5XX, or a value that is
  /// neither true nor false.
  Status open(const Settings& settings);
  AnswerMeaning meaning(long status) const;

 private:
  // By status, and by its first digit.
  using Rules = std::map<long, bool>;

  static Status read(const PropertyMap& from, const std::string& name, Rules& to);
  static std::optional<bool> find(const Rules& rules, long status);

  Rules rollback_;
  Rules backoff_;
  Rules increment_;
  std::optional<bool> default_rollback_;
  bool default_backoff_ = true;
  bool default_increment_ = false;
};

}  // namespace fl
