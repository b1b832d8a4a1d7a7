#include "common/component/reply_time.h"

#include <fmt/format.h>

#include "common/ack/guarantee.h"

namespace fl {

Status check_reply_time(std::string_view ack_at, const Guarantee& guarantee,
                        std::string_view replies, std::string_view request) {
  if (ack_at != "auto" || guarantee.level != Level::gathered) {
    return {};
  }
  return Error{
      ErrorClass::config,
      fmt::format("the next durable stage gathers events into files (\"{}\"): clients that "
                  "wait for {} would make it write a file a second",
                  guarantee.text, replies),
      fmt::format("put fl-channel file DIR between: it stores each {} at once; or "
                  "--ack-at put, which sends {} before events are stored; "
                  "--ack-at sink insists",
                  request, replies)};
}

}  // namespace fl
