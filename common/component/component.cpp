#include "common/component/component.h"

#include "common/base/clock.h"
#include "common/io/poll_set.h"

namespace fl {

void Source::watch(PollSet& set, bool room) {
  index_ = room && wait_fd() >= 0 ? set.add(wait_fd(), POLLIN) : -1;
  if (room) {
    set.wake_at(deadline_ms());
  }
}

Status Source::handle(const PollSet& set) {
  const std::int64_t deadline = deadline_ms();
  ready_ = set.revents(index_) != 0 || (deadline >= 0 && monotonic_ms() >= deadline);
  return {};
}

}  // namespace fl
