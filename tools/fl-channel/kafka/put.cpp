#include "tools/fl-channel/kafka/put.h"

#include <fmt/format.h>

namespace fl {

Status KafkaPut::open(const StageContext& context) {
  if (Status named = check_topic(options_); !named) {
    return named;
  }
  limits_ = context.limits;
  return sink_.open(context);
}

Status KafkaPut::put(const Block& block) {
  batch_.clear();
  const std::uint8_t* const end = block.data + block.size;
  Event event;
  const char* why = "";
  for (const std::uint8_t* at = block.data; at != end;) {
    at = scan_event(at, end, limits_, event, why);
    if (at == nullptr) {
      return Error{ErrorClass::input,
                   fmt::format("a block holds something that is not an event: {}", why),
                   {}};
    }
    batch_.add(event);
  }
  put_ += batch_.size();
  return sink_.deliver(batch_);
}

}  // namespace fl
