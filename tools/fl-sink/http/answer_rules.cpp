#include "tools/fl-sink/http/answer_rules.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace fl {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// 404 for "404", 4 for "4XX"; 0: neither.
long code_of(const std::string& name) {
  if (name.size() != 3 || name[0] < '1' || name[0] > '5') {
    return 0;
  }
  if (name[1] == 'X' && name[2] == 'X') {
    return name[0] - '0';
  }
  return is_digit(name[1]) && is_digit(name[2]) ? std::stol(name) : 0;
}

/// What is wrong with the events, not with the server.
bool is_refusal(long status) {
  constexpr std::array kRefusals{400L, 413L, 414L, 415L, 422L};
  return std::find(kRefusals.begin(), kRefusals.end(), status) != kRefusals.end();
}

/// Of 4XX, what passes by itself.
bool is_passing(long status) {
  constexpr std::array kPassing{408L, 425L, 429L};
  return std::find(kPassing.begin(), kPassing.end(), status) != kPassing.end();
}

}  // namespace

Status AnswerRules::read(const PropertyMap& from, const std::string& name, Rules& to) {
  for (const auto& [key, secret] : from) {
    const long code = code_of(key);
    const Result<std::string> value = secret.reveal();
    if (!value) {
      return value.error();
    }
    if (code == 0 || (*value != "true" && *value != "false")) {
      return Error{ErrorClass::usage,
                   "--" + name + " " + key + "=" + *value + " is not STATUS=true or STATUS=false",
                   "STATUS is three digits, or a group such as 5XX"};
    }
    to[code] = *value == "true";
  }
  return {};
}

Status AnswerRules::open(const Settings& settings) {
  for (const auto& [from, name, to] :
       {std::tuple(&settings.rollback, "rollback", &rollback_),
        std::tuple(&settings.backoff, "backoff", &backoff_),
        std::tuple(&settings.increment, "increment-metrics", &increment_)}) {
    if (Status status = read(*from, name, *to); !status) {
      return status;
    }
  }
  if (settings.default_rollback != "auto") {
    default_rollback_ = settings.default_rollback == "true";
  }
  default_backoff_ = settings.default_backoff;
  default_increment_ = settings.default_increment;
  return {};
}

std::optional<bool> AnswerRules::find(const Rules& rules, long status) {
  for (const long code : {status, status / 100}) {
    if (const auto found = rules.find(code); found != rules.end()) {
      return found->second;
    }
  }
  return std::nullopt;
}

AnswerMeaning AnswerRules::meaning(long status) const {
  using Events = AnswerMeaning::Events;
  AnswerMeaning out;
  const bool is_good = status >= 200 && status < 300;
  std::optional<bool> rolls_back = find(rollback_, status);
  if (!rolls_back && !is_good) {
    rolls_back = default_rollback_;
  }
  if (rolls_back) {
    out.events = *rolls_back ? Events::again : is_good ? Events::delivered : Events::dropped;
  } else if (!is_good) {
    out.events = is_refusal(status) ? Events::refused : Events::again;
  }
  out.needs_person = out.events == Events::again && status < 500 && !is_passing(status);
  out.backs_off = find(backoff_, status).value_or(!is_good && default_backoff_);
  out.counts = find(increment_, status).value_or(is_good || default_increment_);
  return out;
}

}  // namespace fl
