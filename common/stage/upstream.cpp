#include "common/stage/upstream.h"

#include "common/ack/socket_place.h"
#include "common/base/log.h"

namespace fl {

Upstream::Upstream(const ContainerHeader& header, int input_fd) {
  const std::string_view path = header.find(kKeyAck);
  if (path.empty()) {
    return;
  }
  UniqueFd fd;
  std::string why;
  switch (connect_to_writer(path, input_fd, fd, why)) {
    case ConnectResult::connected:
      client_ = AckClient(std::move(fd), header.find(kKeyStream));
      has_writer_ = true;
      break;
    case ConnectResult::refused:
      has_writer_ = true;
      lost_ = true;
      early_ = true;
      break;
    case ConnectResult::barred:
      log(LogLevel::warning,
          "cannot acknowledge over '" + std::string(path) + "' (" + why + "): reading on without");
      break;
    case ConnectResult::finished:
      break;
  }
}

void Upstream::handle() {
  if (!client_.is_open()) {
    return;
  }
  client_.handle();
  if (!client_.is_open()) {
    lost_ = true;
    // With `end` known what is missing may still lie in the pipe: finish() will tell.
    if (!client_.end()) {
      early_ = true;
    }
  }
}

void Upstream::ack(std::uint64_t n) {
  if (n > acked_) {
    acked_ = n;
    client_.ack(n);
  }
}

void Upstream::at(std::string_view rule) {
  if (client_.is_open() && rule != rule_) {
    rule_ = rule;
    client_.at(rule);
  }
}

void Upstream::enough() { client_.enough(); }

void Upstream::finish(bool need_end) {
  if (finished_) {
    return;
  }
  handle();  // `end` is sent before the writer closes its stdout: it is here now or never
  finished_ = true;
  if (has_writer_) {
    early_ = !complete();
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
