#include "common/avrorpc/call_events.h"

#include <string>

#include "common/event/varint.h"

namespace fl {

CallEvents::CallEvents(std::string_view parameters, bool is_batch, const EventLimits& limits)
    : next_(reinterpret_cast<const std::uint8_t*>(parameters.data())),
      end_(next_ + parameters.size()),
      limits_(&limits),
      is_batch_(is_batch),
      in_block_(is_batch ? 0 : 1),
      is_over_(false) {}

CallEvents::Step CallEvents::step() {
  if (is_over_) {
    return Step::end;
  }
  if (in_block_ == 0) {
    if (is_batch_) {
      next_ = read_varint(next_, end_, in_block_);
      if (next_ != nullptr && in_block_ < 0) {
        in_block_ = in_block_ == INT64_MIN ? 0 : -in_block_;
        std::int64_t size = 0;
        next_ = read_varint(next_, end_, size);
        if (next_ != nullptr && (size < 0 || size > end_ - next_ || in_block_ == 0)) {
          next_ = nullptr;
        }
      }
      if (next_ == nullptr) {
        why_ = "the array of events is cut";
        return Step::damaged;
      }
    }
    if (in_block_ == 0) {
      is_over_ = true;
      if (next_ != end_) {
        why_ = "bytes follow the events";
        return Step::damaged;
      }
      return Step::end;
    }
  }
  next_ = scan_event(next_, end_, *limits_, event_, why_);
  if (next_ == nullptr) {
    return Step::damaged;
  }
  --in_block_;
  return Step::event;
}

Result<std::uint64_t> CallEvents::count() const {
  CallEvents copy = *this;
  for (std::uint64_t n = 0;; ++n) {
    switch (copy.step()) {
      case Step::event:
        break;
      case Step::end:
        return n;
      case Step::damaged:
        return Error{ErrorClass::input, "event " + std::to_string(n + 1) + ": " + copy.why_, {}};
    }
  }
}

const Event* CallEvents::next() { return step() == Step::event ? &event_ : nullptr; }

}  // namespace fl
