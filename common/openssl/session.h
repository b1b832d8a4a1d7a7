// One connection through OpenSSL.
#pragma once

#include <string>

#include "common/net/tls.h"
#include "common/openssl/pointers.h"

namespace fl {

class OpensslSession final : public TlsSession {
 public:
  /// `ssl` has its socket, and knows whether it accepts or connects.
  explicit OpensslSession(SslPtr ssl) : ssl_(std::move(ssl)) {}
  /// Failed from the start, for this reason.
  explicit OpensslSession(std::string why);
  ~OpensslSession() override;

  Step handshake() override;
  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  std::size_t unread() override;
  std::uint64_t received() const override;
  bool wants_output() const override { return wants_output_; }
  void finish() override;
  const std::string& why() const override { return why_; }
  int number() const override { return number_; }

 private:
  enum class Result { waits, end, failed };
  Result look_at(int returned, bool is_reading);
  void hear_last_words();
  ssize_t failure();

  SslPtr ssl_;
  bool is_done_ = false;  // the handshake
  bool wants_output_ = false;
  bool is_finished_ = false;
  int number_ = 0;  // errno once it has failed
  std::string why_;
};

}  // namespace fl
