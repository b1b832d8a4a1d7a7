// Tokens of SPNEGO (RFC 4559) for requests inside a loop. A KDC may take long to answer, so they
// are made on threads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/error.h"

namespace fl {

class PollSet;

/// One token at a time, each for one request: a server accepts none twice. Follows the waiting
/// contract of components.
class SpnegoTokens {
 public:
  /// As KerberosTicket: with a keytab, make it before other threads start.
  SpnegoTokens(const std::string& keytab, const std::string& principal);
  ~SpnegoTokens();
  SpnegoTokens(const SpnegoTokens&) = delete;
  SpnegoTokens& operator=(const SpnegoTokens&) = delete;

  /// Begins to make a token for the HTTP service of `host`. `renew`: the server did not accept the
  /// last one, so the keytab logs in anew. Only while !is_busy().
  void ask(const std::string& host, bool renew);
  bool is_busy() const { return question_ != nullptr; }
  void watch(PollSet& set);
  /// The value of the header Authorization ("Negotiate ..."), or why there is none: class
  /// permission (a person has to act) or unavailable (no KDC answers).
  std::optional<Result<std::string>> take();
  /// Nobody wants the answer now. A thread that waits for a KDC goes on until libkrb5 gives up; a
  /// caller that asks the same until then gets its answer.
  void stop() { question_.reset(); }

 private:
  struct Ticket;
  struct Question;
  std::shared_ptr<Ticket> ticket_;  // with the threads, which may outlive us
  std::shared_ptr<Question> question_;
  std::shared_ptr<Question> last_;  // that was asked
};

}  // namespace fl
