#include "common/ack/ack_client.h"

#include <algorithm>
#include <utility>

#include "common/base/units.h"

namespace fl {

AckClient::AckClient(UniqueFd fd, std::string_view stream_id) : socket_(std::move(fd)) {
  socket_.send("FL/1", stream_id);
}

void AckClient::resume(const std::vector<Position>& kept) {
  asked_ = true;
  socket_.send_in_order("resume");
  for (const Position& position : kept) {
    if (const std::optional<std::string> text = position.text()) {
      socket_.send_in_order("resume", *text);
    }
  }
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
    } else if (word == "last") {
      count(rest, n);
      last_ = legal ? std::optional(n) : last_;
      want_ = std::max(want_, n);
    } else if (word == "fail") {
      failure_ = failure_ ? failure_ : Failure::parse(rest);
    } else if (word == "busy") {
      busy_ = true;
    } else if (word == "number") {
      std::string_view from;
      std::string_view text;
      split_line(rest, from, text);
      count(from, n);
      std::optional<EventNumber> number = EventNumber::parse(text);
      legal = legal && (number || text == "-");
      if (legal) {
        numbers_.mark(n, std::move(number));
      }
    } else if (word == "pos" && asked_) {
      std::string_view number;
      std::string_view text;
      split_line(rest, number, text);
      count(number, n);
      std::optional<Position> position = Position::parse(text);
      legal = legal && position;
      if (legal) {
        positions_.add(n, std::move(*position));
      }
    }
  });
  if (!received || !legal || !socket_.flush()) {
    socket_.close();
  }
}

}  // namespace fl
