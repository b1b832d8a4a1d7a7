// The reader of a sink's output, in the test's own thread.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <memory>
#include <string>

#include "common/ack/ack_client.h"
#include "common/ack/socket_place.h"
#include "common/component/component.h"
#include "common/io/input_buffer.h"
#include "common/stream/stream_reader.h"
#include "tests/support/numbered_events.h"

namespace fl {

/// Makes a named pipe and reads numbered events from it; acknowledges what the test says.
class OutputReader {
 public:
  explicit OutputReader(std::string path) : path_(std::move(path)) {
    (void)::signal(SIGPIPE, SIG_IGN);  // as every stage does
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }

  const std::string& path() const { return path_; }
  const Numbers& numbers() const { return numbers_; }
  const AckClient& writer() const { return *client_; }

  /// Takes what is there, and says hello when the header has come.
  void read() {
    while (fd_ && buffer_.read(fd_.get(), reader_.bytes_wanted()) > 0) {}
    for (;;) {
      const Result<StreamReader::Item> item = reader_.next(buffer_, false);
      if (!item) {
        ADD_FAILURE() << item.error().message;
        return;
      }
      if (*item == StreamReader::Item::header) {
        greet();
      } else if (*item == StreamReader::Item::block) {
        const Numbers more = numbers_of(reader_.block());
        numbers_.insert(numbers_.end(), more.begin(), more.end());
      } else {
        break;
      }
    }
    if (client_) {
      client_->handle();
    }
  }
  void ack(std::uint64_t n) {
    client_->ack(n);
    client_->handle();
  }
  void close() {
    fd_.reset();
    client_.reset();
  }

 private:
  void greet() {
    UniqueFd socket;
    std::string why;
    const std::string path(reader_.header().find(kKeyAck));
    const std::string id(reader_.header().find(kKeyStream));
    ASSERT_EQ(connect_to_writer(path, id, fd_.get(), socket, why), ConnectResult::connected) << why;
    client_ = std::make_unique<AckClient>(std::move(socket), id);
    client_->at("tested");
    client_->handle();
  }

  std::string path_;
  UniqueFd fd_;
  InputBuffer buffer_;
  StreamReader reader_{EventLimits()};
  std::unique_ptr<AckClient> client_;
  Numbers numbers_;
};

/// One turn of the stage's loop, without waiting.
inline Status turn(Sink& sink) {
  PollSet set;
  sink.watch(set, true);
  set.wake_now();
  set.wait();
  return sink.handle(set);
}

}  // namespace fl
