// Connects to a host and port without blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

class PollSet;

/// A server to connect to.
struct HostPort {
  std::string host;  ///< name or address, IPv6 without brackets
  std::uint64_t port = 0;
  /// "host:4141", "[::1]:4141".
  std::string text() const;
};

/// Reads "host:port" or "[address]:port". Class usage if it is neither.
Result<HostPort> parse_host_port(const std::string& text);

/// One try at a time: the name is resolved (by a thread of its own, unless it is an address), then
/// each of its addresses is tried in turn, until one answers or the time is over. An address gets
/// an equal share of the time that is left, so one that is silent does not hide those after it; the
/// next try has it last. Follows the waiting contract of components: watch() before the poll,
/// handle() after it.
class TcpDialer {
 public:
  TcpDialer();
  ~TcpDialer();
  TcpDialer(const TcpDialer&) = delete;
  TcpDialer& operator=(const TcpDialer&) = delete;

  /// Begins. Only while !is_dialing().
  void dial(const HostPort& where, std::int64_t timeout_ms);
  bool is_dialing() const;
  void stop();

  void watch(PollSet& set);
  /// The connection once it is there (not blocking, close-on-exec, without delay), or why it cannot
  /// be (class unavailable); nothing while it goes on.
  std::optional<Result<UniqueFd>> handle(const PollSet& set);
  /// When the time, or that of an address, is over, in monotonic ms; -1: it does nothing.
  std::int64_t deadline_ms() const { return fd_ ? share_ms_ : deadline_ms_; }

 private:
  struct Lookup;
  struct Address;

  std::optional<Result<UniqueFd>> take_lookup();
  std::optional<Result<UniqueFd>> connect_next();
  void put_silent_last();
  std::optional<Result<UniqueFd>> finish(Result<UniqueFd> result);
  Error failure(const std::string& why) const;

  HostPort where_;
  std::int64_t timeout_ms_ = 0;
  std::int64_t deadline_ms_ = -1;
  std::int64_t share_ms_ = -1;      // when that of the current address is over
  std::shared_ptr<Lookup> lookup_;  // shared with its thread, which may outlive us
  std::vector<Address> addresses_;
  std::size_t next_ = 0;
  std::string why_;     // of the last address
  std::string silent_;  // the bytes of one that did not answer, in this try or an earlier one
  UniqueFd fd_;
  int index_ = -1;
};

}  // namespace fl
