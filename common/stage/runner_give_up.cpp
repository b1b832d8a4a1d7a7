// --give-up-after: what counts as progress, and what is missing where there is none.
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/units.h"
#include "common/stage/runner_state.h"

namespace fl {
namespace {

// What kWaitReasons (figures.h) say, for people.
std::string_view in_words(std::string_view waits_for) {
  return waits_for == "destination" ? "the destination takes nothing"
         : waits_for == "room"      ? "the channel is full and nothing is taken from it"
         : waits_for == "reader"    ? "the next stage reads nothing"
                                    : "what was sent is not acknowledged";
}

}  // namespace

void Runner::watch_clock() {
  const std::int64_t now = monotonic_ms();
  bool works = false;
  each_component(
      [&works](const Component& component, bool) { works = works || component.works(); });
  give_up_.look(moved_in_all(), waits_in_vain(), works, now);
  if (give_up_.is_due(now)) {
    fail(given_up());
  }
}

// Each of these only grows.
std::uint64_t Runner::moved_in_all() const {
  std::uint64_t sum = produced_ + source_acked_;
  if (intake_) {
    sum += intake_->total() + intake_->acked();
  }
  if (output_) {
    sum += output_->written_bytes();
  }
  if (put() != nullptr) {
    sum += put()->safe();
  }
  return sum + (plan_.sink ? plan_.sink->safe() : 0);
}

// Something is to happen that more input does not bring about: events are to go out, or to be made
// safe because somebody has asked for it (what nobody asks for may rest until a file is complete).
bool Runner::waits_in_vain() const {
  bool missing = false;
  each_component(
      [&missing](const Component& component, bool) { missing = missing || component.missing(); });
  if (missing || (plan_.sink && !plan_.sink->ready()) || (put() != nullptr && !put()->ready())) {
    return true;
  }
  if (output_ && (output_->busy() || (waits_for_acks() && !output_->guarantee()))) {
    return true;
  }
  if (reads() ? intake_->over() : source_ended_) {
    return true;  // all that is left is the end
  }
  if (intake_) {
    const std::uint64_t asked = intake_->no_more_comes() ? intake_->total() : asked_;
    return intake_->acked() < asked;
  }
  return source_acked_ < output_->wanted();
}

Error Runner::given_up() {
  std::optional<Error> missing;
  each_component([&missing](const Component& component, bool) {
    if (!missing) {
      missing = component.missing();
    }
  });
  if (!missing) {
    const bool hands_on = plan_.kind != ComponentKind::sink && !(put() != nullptr && !output_);
    missing = {hands_on ? ErrorClass::again : ErrorClass::unavailable,
               std::string(in_words(waits_for())),
               {}};
  }
  missing->message =
      "no progress for " + to_string(plan_.options.give_up_after) + ": " + missing->message;
  return *missing;
}

}  // namespace fl
