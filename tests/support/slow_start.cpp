// A library to preload: our programs begin a while later, each by a time of its own, as on a busy
// machine. What relies on the order in which stages start fails then:
//   LD_PRELOAD=$PWD/build/dev/tests/slow_start.so tests/pipes/run
#include <errno.h>
#include <unistd.h>

#include <cstring>

namespace {

[[gnu::constructor]] void start_late() {
  if (std::strncmp(program_invocation_short_name, "fl-", 3) == 0) {
    ::usleep(static_cast<useconds_t>(100'000 + ::getpid() % 7 * 50'000));
  }
}

}  // namespace
