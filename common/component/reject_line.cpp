#include "common/component/reject_line.h"

#include <utility>

#include "common/base/text.h"

namespace fl {

namespace {

// Keeps `head`, which the limits allow, as an event.
Status keep(Rejects& rejects, const EventLimits& limits, std::string_view map,
            std::string_view head, std::string why) {
  BlockBuilder builder;
  builder.add(map, head);
  const Block block = builder.block();
  Event event;
  const char* reason = nullptr;
  if (scan_event(block.data, block.data + block.size, limits, event, reason) == nullptr) {
    return Error{ErrorClass::input, std::string("a rejected line is not an event: ") + reason};
  }
  return rejects.reject(event, {ErrorClass::input, std::move(why)});
}

std::string kept_part(std::size_t kept, std::uint64_t length) {
  return kept < length ? "; its first " + count_of(kept, "byte") + " are kept" : std::string();
}

}  // namespace

RejectedLine reject_lines(Rejects* rejects, const EventLimits& limits, std::string limit,
                          const std::string* map) {
  if (rejects == nullptr || !rejects->keeps()) {
    return {};
  }
  const auto keep_head = [rejects, limits, limit = std::move(limit), map](std::string_view head,
                                                                          std::uint64_t length) {
    return keep(*rejects, limits, map != nullptr ? *map : std::string_view(), head,
                "a line of " + count_of(length, "byte") + " is longer than " + limit +
                    kept_part(head.size(), length));
  };
  return {keep_head, limits.body_bytes};
}

RefusedLine reject_line(Rejects* rejects, const EventLimits& limits, std::string input) {
  return [rejects, limits, input = std::move(input)](std::string_view line, const Error& why) {
    const std::string_view head = line.substr(0, limits.body_bytes);
    return keep(*rejects, limits, {}, head,
                input + ", " + why.message + kept_part(head.size(), line.size()));
  };
}

}  // namespace fl
