#include "common/openssl/session.h"

#include <openssl/err.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/openssl/reasons.h"

namespace fl {

OpensslSession::OpensslSession(std::string why) : number_(EPROTO), why_(std::move(why)) {}

OpensslSession::~OpensslSession() { finish(); }

// The result of a call that could not do its work.
OpensslSession::Result OpensslSession::look_at(int returned, bool is_reading) {
  const int number = errno;
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return Result::waits;
    case SSL_ERROR_WANT_WRITE:
      wants_output_ = true;
      return Result::waits;
    case SSL_ERROR_ZERO_RETURN:
      if (is_reading) {
        return Result::end;
      }
      number_ = ECONNRESET;
      why_ = "the peer has ended the connection";
      return Result::failed;
    case SSL_ERROR_SYSCALL:
      number_ = number != 0 ? number : ECONNRESET;
      why_ = std::strerror(number_);  // NOLINT(concurrency-mt-unsafe)
      ERR_clear_error();
      return Result::failed;
    default: {
      const unsigned long code = ERR_peek_error();
      const bool is_cut = ERR_GET_LIB(code) == ERR_LIB_SSL &&
                          ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
      number_ = is_cut ? ECONNRESET : EPROTO;
      why_ = take_reason(ssl_.get(), is_done_);
      return Result::failed;
    }
  }
}

ssize_t OpensslSession::failure() {
  errno = number_;
  return -1;
}

TlsSession::Step OpensslSession::handshake() {
  if (!why_.empty()) {
    return Step::failed;
  }
  if (is_done_) {
    return Step::done;
  }
  wants_output_ = false;
  ERR_clear_error();
  errno = 0;
  const int returned = SSL_do_handshake(ssl_.get());
  if (returned == 1) {
    is_done_ = true;
    return Step::done;
  }
  if (look_at(returned, false) == Result::failed) {
    return Step::failed;
  }
  return wants_output_ ? Step::wants_output : Step::wants_input;
}

ssize_t OpensslSession::read(char* to, std::size_t size) {
  std::size_t got = 0;
  while (got == 0 || size - got >= kRecord) {
    if (const Step step = handshake(); step != Step::done) {
      errno = EAGAIN;
      return step == Step::failed ? failure() : -1;
    }
    wants_output_ = false;
    ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    if (const int returned = SSL_read_ex(ssl_.get(), to + got, size - got, &n); returned != 1) {
      const Result result = look_at(returned, true);
      if (got > 0 || result == Result::end) {
        break;
      }
      errno = EAGAIN;
      return result == Result::failed ? failure() : -1;
    }
    got += n;
  }
  return static_cast<ssize_t>(got);
}

ssize_t OpensslSession::write(const char* from, std::size_t size) {
  std::size_t put = 0;
  while (put < size) {
    if (const Step step = handshake(); step != Step::done) {
      errno = EAGAIN;
      return step == Step::failed ? failure() : -1;
    }
    wants_output_ = false;
    ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    if (const int returned = SSL_write_ex(ssl_.get(), from + put, size - put, &n); returned != 1) {
      const Result result = look_at(returned, false);
      if (result == Result::failed && number_ != EPROTO) {
        hear_last_words();
      }
      if (put > 0) {
        break;
      }
      errno = EAGAIN;
      return result == Result::failed ? failure() : -1;
    }
    put += n;
  }
  return static_cast<ssize_t>(put);
}

// The peer may have said why before it closed.
void OpensslSession::hear_last_words() {
  char byte = 0;
  std::size_t n = 0;
  ERR_clear_error();
  if (SSL_read_ex(ssl_.get(), &byte, 1, &n) != 1 && ERR_peek_error() != 0) {
    number_ = EPROTO;
    why_ = take_reason(ssl_.get(), is_done_);
  }
  ERR_clear_error();
}

std::size_t OpensslSession::unread() {
  if (!is_done_ || !why_.empty()) {
    return 0;
  }
  ERR_clear_error();
  errno = 0;
  char byte = 0;
  std::size_t n = 0;
  if (const int returned = SSL_peek_ex(ssl_.get(), &byte, 1, &n); returned != 1) {
    (void)look_at(returned, true);
    return 0;
  }
  return static_cast<std::size_t>(SSL_pending(ssl_.get()));
}

std::uint64_t OpensslSession::received() const {
  return ssl_ ? BIO_number_read(SSL_get_rbio(ssl_.get())) : 0;
}

void OpensslSession::finish() {
  if (is_done_ && why_.empty() && !is_finished_) {
    is_finished_ = true;
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

}  // namespace fl
