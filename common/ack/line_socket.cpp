#include "common/ack/line_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace fl {
namespace {

// Only lines known to be long may exceed kMaxLine.
std::size_t most(std::string_view line) {
  return line.starts_with("pos ") || line.starts_with("resume ") ? LineSocket::kMaxPositionLine
                                                                 : LineSocket::kMaxLine;
}

}  // namespace

short LineSocket::events() const {
  return static_cast<short>(POLLIN | (has_unsent() ? POLLOUT : 0));
}

void LineSocket::send(std::string_view word, std::uint64_t number) {
  send(word, std::to_string(number));
}

void LineSocket::send(std::string_view word, std::string_view rest) {
  if (fd_) {
    drop_waiting(word);
    append(word, rest);
  }
}

void LineSocket::send_in_order(std::string_view word, std::string_view rest) {
  if (fd_) {
    if (waiting_.size() + word.size() + rest.size() > kMostWaiting) {
      drop_waiting(word);
    }
    append(word, rest);
  }
}

void LineSocket::drop_waiting(std::string_view word) {
  std::string kept;
  for (std::size_t at = 0; at < waiting_.size();) {
    const std::size_t end = waiting_.find('\n', at) + 1;
    const std::string_view line = std::string_view(waiting_).substr(at, end - at);
    std::string_view old_word;
    std::string_view old_rest;
    split_line(line.substr(0, line.size() - 1), old_word, old_rest);
    if (old_word != word) {
      kept += line;
    }
    at = end;
  }
  waiting_.swap(kept);
}

void LineSocket::append(std::string_view word, std::string_view rest) {
  waiting_ += word;
  if (!rest.empty()) {
    waiting_ += ' ';
    waiting_ += rest;
  }
  waiting_ += '\n';
  flush();  // a lost connection is seen by receive()
}

bool LineSocket::flush() {
  for (;;) {
    if (out_.empty()) {
      if (waiting_.empty()) {
        return true;
      }
      out_.swap(waiting_);
    }
    const ssize_t n = ::send(fd_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno == EAGAIN;
    }
    out_.erase(0, static_cast<std::size_t>(n));
  }
}

bool LineSocket::receive(const std::function<void(std::string_view)>& on_line) {
  char buffer[4096];
  for (;;) {
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0) {
      return false;
    }
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno == EAGAIN;
    }
    std::string_view bytes(buffer, static_cast<std::size_t>(n));
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      in_ += bytes.substr(0, end);
      if (in_.size() > most(in_)) {
        return false;
      }
      if (end == std::string_view::npos) {
        break;
      }
      bytes.remove_prefix(end + 1);
      const std::string line = std::move(in_);
      in_.clear();
      on_line(line);
    }
  }
}

void split_line(std::string_view line, std::string_view& word, std::string_view& rest) {
  const std::size_t blank = line.find(' ');
  word = line.substr(0, blank);
  rest = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
}

}  // namespace fl
