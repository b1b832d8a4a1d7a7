// A TCP server inside another loop: connections, limits and deadlines, without threads or
// callbacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/net/byte_stream.h"
#include "common/net/host_names.h"
#include "common/net/ip_filter.h"
#include "common/net/repeated_warning.h"
#include "common/net/tcp_listener.h"

namespace fl {

class PollSet;

/// Owns a listening socket and the sockets of its clients, and reports what is due for which of
/// them. It moves no bytes: its user reads and writes the clients' stream(), which does not block.
/// With TLS a client is `connected` when its handshake is done; one that fails, or takes too long,
/// is ended and logged, and the user never learns of it, nor of one that the filter denies.
///
/// The loop of the user waits until wait_fd() is readable or deadline_ms() has come, whatever else
/// it waits for, and then calls poll(), which never blocks. Each event names a client:
///
///   connected   a new client; what the user knows of it, it keeps under this number
///   readable    read it: bytes, the end, or an error
///   writable    there is room for more, or an error that the next send(2) will name
///   late        the deadline that was set for it is over, or the kernel cannot watch it (rare, and
///               logged); reported once
///
/// The contract that keeps an idle server silent and its memory bounded: **readable and writable
/// come again and again until the user acts on them.** A client that cannot be served now (its
/// reply waits, there is no room for its bytes, its end has been read) must not be waited for:
/// want_input(client, false). A client with unsent bytes needs want_output(client, true), and one
/// without them false. A client for which neither is wanted costs nothing, and that it has hung up
/// is seen when something is wanted of it again. take_input(false) does this for all clients and
/// for new ones at a time, with one system call. What is over is close()d by the user; the server
/// itself closes no client.
///
/// Numbers of clients are never used twice, so an event or an acknowledgement that comes late for a
/// client that has gone finds none.
///
/// More clients than the limit wait in the queue of the listening socket. When the process or the
/// system is out of descriptors, nobody is accepted for a second, or until a client leaves. Both
/// are reported at once and then at growing intervals, and use no CPU time.
class TcpServer {
 public:
  struct Settings {
    ListenAddress where;
    std::size_t max_clients = 1000;
    /// The option that sets max_clients, for messages.
    std::string limit_option = "--max-connections";
    std::shared_ptr<TlsContext> tls = nullptr;  ///< null: plain
    std::int64_t handshake_ms = 10'000;
    std::shared_ptr<const IpFilter> filter = nullptr;  ///< null: everybody may connect
  };

  enum class What { connected, readable, writable, late };
  struct Event {
    What what;
    std::uint64_t client;
  };

  /// Listens. Clients begin with input wanted, no output and no deadline. Errors: as listen_on().
  static Result<std::unique_ptr<TcpServer>> listen(Settings settings);
  /// Closes everything.
  ~TcpServer() = default;
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  /// What it is bound to, "127.0.0.1:4444" or "[::1]:4444".
  const std::string& address() const { return listener_.address; }
  bool is_loopback() const { return listener_.is_loopback; }

  /// Readable when poll() has something to report. An epoll descriptor: it may be watched by
  /// poll(2) or by another one.
  int wait_fd() const { return outer_.get(); }
  /// Monotonic ms when poll() is to be called even so; -1: no need.
  std::int64_t deadline_ms() const;
  /// The same for a loop that watches through a PollSet: before it waits, with take_input(takes),
  /// and at once if the user `has_work` anyway; and after that, whether poll() is to be called.
  void watch(PollSet& set, bool takes, bool has_work);
  bool is_due(const PollSet& set) const;
  /// What is due now, at most 64 clients and the late ones. Valid until the next call. A client may
  /// be in it twice, and may have been closed by its user since.
  Result<const std::vector<Event>*> poll();

  /// For clients that come from now on.
  void set_tls(std::shared_ptr<TlsContext> tls) { settings_.tls = std::move(tls); }
  bool is_plain() const { return settings_.tls == nullptr; }

  /// The socket of a client; -1: there is none of this number.
  int fd(std::uint64_t client) const;
  /// Its bytes. Only for a client that is there, and until close().
  ByteStream stream(std::uint64_t client) const;
  /// The address of a client without its port, "127.0.0.1".
  std::string host(std::uint64_t client) const;
  /// Where a client called from, "127.0.0.1:40000"; known even after it has hung up.
  std::string name(std::uint64_t client) const;
  std::size_t size() const { return clients_.size(); }

  /// Whether readable, or writable, is reported for this client.
  void want_input(std::uint64_t client, bool wanted);
  void want_output(std::uint64_t client, bool wanted);
  /// Reports `late` at this monotonic time; -1: never. Replaces the one before.
  void set_deadline(std::uint64_t client, std::int64_t at_ms);
  bool has_deadline(std::uint64_t client) const;
  void close(std::uint64_t client);
  /// The socket of a client, for a library that reads, writes and closes it itself. The client
  /// stays in the count, with its name and deadline, until it is close()d; readable and writable
  /// are not reported for it any more. Once.
  UniqueFd hand_over(std::uint64_t client);

  /// False: no client is read and nobody accepted until true; writable and late are still reported.
  void take_input(bool taken);
  /// Gives the address back: connections not accepted yet are refused. The clients stay.
  void stop_listening();

  /// Clients that were `connected` so far.
  std::uint64_t accepted() const { return accepted_; }
  /// Handshakes that failed.
  std::uint64_t failed_handshakes() const { return refused_.total(); }
  /// Clients that the filter has denied.
  std::uint64_t denied() const { return denied_.total(); }
  /// How often nobody could be accepted for lack of descriptors or memory.
  std::uint64_t accept_failures() const { return failed_.total(); }

 private:
  enum class Phase {
    named,          // its name is looked up, for the filter
    shaking_hands,  // of TLS
    refused,        // its handshake failed: it is to learn why before it is closed
    open,
  };
  struct Client {
    UniqueFd fd;
    std::unique_ptr<TlsSession> tls;  // goes before fd does: it says that nothing more comes
    Phase phase = Phase::open;
    std::string name;
    std::string host;
    bool wants_input = false;
    bool wants_output = false;
    std::int64_t deadline_ms = -1;
  };
  /// Why nobody is accepted at the moment.
  enum class Closed { no, full, failed };

  TcpServer(Settings settings, Listener listener);
  Status open();
  Status collect(int set, What what);
  void collect_late();
  void accept_some();
  void admit(UniqueFd fd, const sockaddr_storage& address);
  void begin(std::uint64_t number, Client& client);
  bool is_denied(const Client& client, const IpFilter::Verdict& verdict);
  void report_denied(const Client& client, const std::string& why);
  void take_names();
  void go_on(std::uint64_t number, Client& client);
  void shake_hands(std::uint64_t number, Client& client);
  void end_handshake(std::uint64_t number, Client& client, const std::string& why);
  void drain(std::uint64_t number, Client& client);
  void not_open_in_time(std::uint64_t number, Client& client);
  void accept_again();
  void give_up(std::uint64_t client);
  void wait_for_room(Closed why, int number);
  void report_full();
  void report_failure(int number);

  Settings settings_;
  Listener listener_;
  UniqueFd outer_;   // holds the two sets below
  UniqueFd input_;   // the listener, and clients of which input is wanted
  UniqueFd output_;  // clients with output wanted
  bool takes_input_ = false;
  int index_ = -1;  // in the user's PollSet

  std::unordered_map<std::uint64_t, Client> clients_;
  std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_;
  std::uint64_t last_client_ = 0;
  std::uint64_t accepted_ = 0;
  std::size_t not_open_ = 0;  // clients of another phase
  std::unique_ptr<HostNames> names_;
  std::vector<Event> events_;

  Closed closed_ = Closed::no;
  std::int64_t retry_ms_ = -1;  // accept again, or report again
  RepeatedWarning full_;
  RepeatedWarning failed_;
  RepeatedWarning refused_;
  RepeatedWarning denied_;
};

}  // namespace fl
