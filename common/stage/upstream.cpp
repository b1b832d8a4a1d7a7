#include "common/stage/upstream.h"

#include <utility>

#include "common/ack/socket_place.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

constexpr std::int64_t kRetryMs = 10;
constexpr int kLastTries = 50;

}  // namespace

Upstream::Upstream(const ContainerHeader& header, int input_fd) {
  if (const std::string_view failed = header.find(kKeyFailed); !failed.empty()) {
    failure_ = Failure::parse(failed);
    has_writer_ = true;
    early_ = true;
    return;
  }
  path_ = header.find(kKeyAck);
  stream_id_ = header.find(kKeyStream);
  input_fd_ = input_fd;
  first_number_ = EventNumber::parse(std::string(header.find(kKeyLog)) + ' ' +
                                     std::string(header.find(kKeyFirst)));
  if (!path_.empty()) {
    connect();
  }
}

void Upstream::connect() {
  retry_ms_ = -1;
  UniqueFd fd;
  std::string why;
  switch (connect_to_writer(path_, stream_id_, input_fd_, fd, why)) {
    case ConnectResult::connected:
      client_ = AckClient(std::move(fd), stream_id_);
      has_writer_ = true;
      if (kept_) {
        client_.resume(*kept_);
      }
      if (!at_.empty()) {
        client_.at(at_);
      }
      if (acked_ > 0) {
        client_.ack(acked_);
      }
      if (enough_) {
        client_.enough();
      }
      break;
    case ConnectResult::refused:
      has_writer_ = true;
      early_ = true;
      break;
    case ConnectResult::busy:
      retry_ms_ = monotonic_ms() + kRetryMs;
      break;
    case ConnectResult::barred:
      barred_ = true;
      log(LogLevel::warning, "cannot acknowledge over '" + path_ + "' (" + why +
                                 "): continuing without acknowledgements");
      break;
    case ConnectResult::finished:
      break;
  }
}

void Upstream::retry() {
  if (retry_ms_ >= 0 && monotonic_ms() >= retry_ms_) {
    connect();
  }
}

void Upstream::handle() {
  if (!client_.is_open()) {
    return;
  }
  client_.handle();
  if (client_.failure() && !failure_) {
    failure_ = client_.failure();
  }
  // After its last word the rest may still be in the pipe: finish() will decide.
  if (!client_.is_open() && !client_.end() && !failure_) {
    early_ = true;
  }
}

// Of two readers only the one that acknowledges gets numbers.
std::optional<EventNumber> Upstream::number(std::uint64_t n) {
  client_.numbers().forget(n);
  return client_.busy() ? std::nullopt : client_.numbers().of(n);
}

void Upstream::ack(std::uint64_t n) {
  if (n > acked_) {
    acked_ = n;
    client_.ack(n);
  }
}

void Upstream::resume(std::vector<Position> kept) {
  kept_ = std::move(kept);
  client_.resume(*kept_);
}

void Upstream::at(const Guarantee& guarantee) {
  if (!at_.empty() && guarantee == Guarantee{level_, words_}) {
    return;
  }
  level_ = guarantee.level;
  words_ = guarantee.text;
  at_ = to_line(guarantee);
  client_.at(at_);
}

void Upstream::enough() {
  enough_ = true;
  client_.enough();
}

bool Upstream::ends_early() {
  handle();
  return has_writer_ && !client_.end();
}

void Upstream::finish(bool need_end) {
  if (finished_) {
    return;
  }
  // The writer's queue of connections is full: wait a moment, or nothing is known of the end.
  for (int tries = 0; retry_ms_ >= 0 && tries < kLastTries; ++tries) {
    PollSet pause;
    pause.wake_at(retry_ms_);
    pause.wait();
    retry();
  }
  barred_ = barred_ || retry_ms_ >= 0;
  retry_ms_ = -1;
  handle();  // `end` is sent before the writer closes its stdout
  // But if another reader acknowledges, behind tee(1), ours may not have been accepted yet. A
  // writer that dies closes the connection.
  for (int tries = 0; tries < kLastTries && client_.is_open() && !client_.end() && !failure_;
       ++tries) {
    PollSet pause;
    pause.add(client_.fd(), client_.events());
    pause.wake_at(monotonic_ms() + kRetryMs);
    pause.wait();
    handle();
  }
  finished_ = true;
  if (has_writer_) {
    early_ = failure_ || !complete();
  } else {
    unproved_ = need_end;
  }
}

std::uint64_t Upstream::take_want() {
  const std::uint64_t want = client_.want();
  if (want > want_done_ && want <= read_) {
    want_done_ = want;
    return want;
  }
  return 0;
}

}  // namespace fl
