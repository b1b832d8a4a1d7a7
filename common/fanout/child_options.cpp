#include "common/fanout/child_options.h"

#include <algorithm>
#include <cstddef>

#include "common/base/units.h"
#include "common/component/stage_options.h"

namespace fl {

// The input, --out, --codec, --ack and --window are the group's own affair, and so are its figures:
// two stages cannot write one file of --metrics.
std::vector<std::string> member_options(const StageContext& context,
                                        const std::vector<std::string>& words) {
  const StageOptions& options = *context.stage;
  const StageOptions usual;
  const auto last = std::find(words.begin(), words.end(), "--");
  std::vector<std::string> out;
  const auto add = [&](const std::string& name, const std::string& value, bool is_usual) {
    const bool is_given = std::any_of(words.begin(), last, [&](const std::string& word) {
      return word == name || word.starts_with(name + "=");
    });
    if (is_usual || is_given) {
      return;
    }
    out.push_back(name);
    if (!value.empty()) {
      out.push_back(value);
    }
  };
  // Whatever the group accepts, even a long line of text, its sinks accept.
  const Bytes largest{context.limits.body_bytes};
  add("--max-event", to_string(largest), largest == usual.max_event);
  add("--grace", to_string(options.grace), options.grace == usual.grace);
  add("--give-up-after", to_string(options.give_up_after),
      options.give_up_after == usual.give_up_after);
  add("--reject", options.reject, options.reject.empty());
  add("--log-format", options.log_format, options.log_format == usual.log_format);
  add("--log-level", options.log_level, options.log_level == usual.log_level);
  // One status line is enough for a terminal.
  add("--no-progress", {}, !context.terminal);
  return out;
}

}  // namespace fl
