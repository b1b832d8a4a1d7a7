#include "common/stage/writers_door.h"

#include <algorithm>
#include <utility>

#include "common/base/clock.h"

namespace fl {
namespace {

constexpr int kMostInTurn = 16;
constexpr std::int64_t kFoundMs = 2 * UnixDialer::kMostPauseMs;

}  // namespace

WritersDoor::WritersDoor(UnixListener listener, bool until_end)
    : listener_(std::move(listener)), until_end_(until_end), found_ms_(monotonic_ms() + kFoundMs) {}

Result<std::unique_ptr<WritersDoor>> WritersDoor::open(const std::string& endpoint,
                                                       bool until_end) {
  const Result<std::string> path = unix_path(endpoint);
  if (!path) {
    return path.error();
  }
  Result<UnixListener> listener = UnixListener::open(*path);
  if (!listener) {
    return listener.error();
  }
  return std::unique_ptr<WritersDoor>(new WritersDoor(std::move(*listener), until_end));
}

bool WritersDoor::all_have_ended() const {
  return until_end_ && had_whole_ && connected_ == 0 && missing_ == 0;
}

void WritersDoor::watch(PollSet& set) {
  listener_.watch(set);
  if (listener_.is_open() && all_have_ended()) {
    // next() closes it, if nobody waits at this moment.
    set.wake_at(found_ms_);
  }
}

std::optional<WritersDoor::Writer> WritersDoor::next(const PollSet& set) {
  UnixListener::Peer peer = in_turn_ < kMostInTurn ? listener_.accept(set) : UnixListener::Peer();
  if (!peer.fd) {
    if (std::exchange(in_turn_, 0) == 0 && all_have_ended() && monotonic_ms() >= found_ms_) {
      close();
    }
    return std::nullopt;
  }
  ++in_turn_;
  ++connected_;
  return Writer{std::move(peer.fd),
                "'unix:" + listener_.path() + "' (process " + std::to_string(peer.pid) + ")"};
}

void WritersDoor::begun() { missing_ -= std::min<std::uint64_t>(missing_, 1); }

void WritersDoor::left(std::optional<bool> whole) {
  --connected_;
  if (whole) {
    had_whole_ = had_whole_ || *whole;
    missing_ += *whole ? 0U : 1U;
  }
}

}  // namespace fl
