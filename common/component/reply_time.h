// When a source whose clients wait for replies may send them.
#pragma once

#include <string_view>

#include "common/base/error.h"

namespace fl {

struct Guarantee;

/// For Source::acknowledged_by(), with what --ack-at says. Class config: it says auto, and the next
/// durable stage gathers events, so each reply would cost a file. `replies` and `request` are the
/// source's words for what clients wait for ("answers") and what they send ("batch").
Status check_reply_time(std::string_view ack_at, const Guarantee& guarantee,
                        std::string_view replies, std::string_view request);

}  // namespace fl
