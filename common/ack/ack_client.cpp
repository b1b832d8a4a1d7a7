#include "common/ack/ack_client.h"

#include <algorithm>

#include "common/base/units.h"

namespace fl {

AckClient::AckClient(UniqueFd fd, std::string_view stream_id) : socket_(std::move(fd)) {
  socket_.send("FL/1", stream_id);
}

void AckClient::handle() {
  if (!socket_.is_open()) {
    return;
  }
  bool legal = true;
  const auto count = [&](std::string_view text, std::uint64_t& out) {
    const Result<std::uint64_t> n = parse_count(text);
    legal = legal && n.ok();
    if (n) {
      out = *n;
    }
  };
  const bool received = socket_.receive([&](std::string_view line) {
    std::string_view word;
    std::string_view rest;
    split_line(line, word, rest);
    std::uint64_t n = 0;
    if (word == "want") {
      count(rest, n);
      want_ = std::max(want_, n);
    } else if (word == "end") {
      count(rest, n);
      end_ = legal ? std::optional(n) : end_;
      want_ = std::max(want_, n);
    } else if (word == "busy") {
      busy_ = true;
    }
  });
  if (!received || !legal || !socket_.flush()) {
    socket_.close();
  }
}

}  // namespace fl
