// TLS for a library that reads and writes plain sockets itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/net/byte_stream.h"
#include "common/net/tcp_server.h"

namespace fl {

/// Gives the library one end of a socket pair for each client of a TcpServer, and carries bytes
/// between the other end and the client's stream. So TLS, its options and its errors are those of
/// every other server here, whichever TLS the library was built with.
///
/// Of each direction at most kPiece bytes are held, and what the kernel keeps in the pair; a side
/// that does not read stops the other. What the library has written when it closes its end still
/// goes out, in at most kLastMs.
class SecureSockets {
 public:
  using Id = std::uint64_t;

  explicit SecureSockets(TcpServer& tcp) : tcp_(tcp) {}
  SecureSockets(const SecureSockets&) = delete;
  SecureSockets& operator=(const SecureSockets&) = delete;

  Status open();
  /// The library's end for a client that is connected; none, and errno: it cannot be made.
  UniqueFd add(Id client);
  /// Readable when move_due() has something to do that the TcpServer does not report.
  int wait_fd() const { return due_.get(); }
  /// After `readable` or `writable` of this client.
  void move(Id client);
  /// Moves what the library has written, or has made room for.
  void move_due();
  /// The library has no more to do with it. The client is close()d as soon as it has everything.
  void release(Id client);
  /// After `late` of a client that was released: closes it. False: it is not one of them.
  bool end(Id client);
  /// Something that the library has written has not reached its client yet.
  bool has_unsent();

 private:
  static constexpr std::size_t kPiece = 64 << 10;
  static constexpr std::int64_t kLastMs = 20'000;
  /// For the client's own end, so that what it sends meanwhile does not reset the connection.
  static constexpr std::int64_t kLingerMs = 1000;

  struct Pair {
    UniqueFd end;  // ours
    ByteStream stream;
    std::string in;   // for the library
    std::string out;  // for the client
    std::size_t in_at = 0;
    std::size_t out_at = 0;
    bool is_in_over = false;   // the client sends no more
    bool is_out_over = false;  // the library writes no more
    bool is_broken = false;    // the client is gone
    bool is_released = false;
    bool is_finished = false;  // it has everything, and knows that no more comes
    std::uint32_t watched = 0;
  };

  void move(Id client, Pair& pair);
  void move_in(Pair& pair);
  void move_out(Pair& pair);
  void put_in(Pair& pair);
  void put_out(Pair& pair);
  void break_off(Pair& pair);
  void finish(Id client, Pair& pair);
  void want(Id client, Pair& pair);
  void watch(Id client, Pair& pair, std::uint32_t events);

  TcpServer& tcp_;
  UniqueFd due_;
  std::unordered_map<Id, Pair> pairs_;
};

}  // namespace fl
