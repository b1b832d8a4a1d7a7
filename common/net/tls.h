// TLS on a TCP connection. What does it is in a library of its own, fl-tls.so, that is loaded when
// TLS is asked for: OpenSSL costs more time to load than a whole tool takes to start.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// TLS on one connection: the owner of the socket waits for it; nothing here blocks. Destroying it
/// tells the peer that nothing more comes (close_notify), if that can be sent at once.
class TlsSession {
 public:
  enum class Step {
    done,
    wants_input,   ///< call again when the socket is readable
    wants_output,  ///< call again when it is writable
    failed,        ///< why() says what is wrong
  };

  virtual ~TlsSession() = default;
  /// Goes on with the handshake. Until it is done, read() and write() do this, too.
  virtual Step handshake() = 0;
  /// As recv(2) and send(2) do: the number of bytes, 0 for an orderly end, or -1 with EAGAIN, or
  /// with another errno where the connection is of no use any more (ECONNRESET: it ended without
  /// a word; EPROTO: why() says more). A read of kRecord bytes or more leaves nothing behind that
  /// the socket does not show. After a write that took less than it was given, the next one begins
  /// with the rest.
  static constexpr std::size_t kRecord = 16 << 10;
  virtual ssize_t read(char* to, std::size_t size) = 0;
  virtual ssize_t write(const char* from, std::size_t size) = 0;
  /// Bytes that are here, unpacked and unread, after looking at the socket.
  virtual std::size_t unread() = 0;
  /// Bytes of records that were read from the socket so far, those of the handshake, too.
  virtual std::uint64_t received() const = 0;
  /// The last call lacks room to send, whatever it was for; else it lacks input, or nothing.
  virtual bool wants_output() const = 0;
  /// Tells the peer that nothing more comes. It may still send.
  virtual void finish() = 0;
  /// Why it has failed, for people: "the peer does not speak TLS"; empty: it has not.
  virtual const std::string& why() const = 0;
  /// The errno of that; EPROTO: it will be the same the next time.
  virtual int number() const = 0;
};

/// A file that was read.
struct TlsFile {
  std::string path;  ///< for messages; empty: there is none
  std::string bytes;
};

/// What is known before there are connections.
struct TlsPlan {
  bool is_server = false;
  TlsFile certificate;   ///< PEM, or PKCS12
  TlsFile key;           ///< PEM; none: it is in the same file
  std::string password;  ///< of either
  /// Certificates that are trusted, PEM or PKCS12; none: those of the system (client), or clients
  /// are not asked for one (server).
  TlsFile trusted;
  std::string trusted_password;
  bool trusts_all = false;  ///< a client does not look at the server's certificate
  std::vector<std::string> include_protocols;  ///< empty: all; names as Java's: TLSv1.2
  std::vector<std::string> exclude_protocols;
  std::vector<std::string> include_ciphers;  ///< OpenSSL's names or Java's
  std::vector<std::string> exclude_ciphers;
};

/// Certificates, keys and rules for any number of sessions, which keep them alive.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  /// On this socket, which does not block and outlives it. `host`: of a client, the name or address
  /// that the server's certificate must have.
  virtual std::unique_ptr<TlsSession> session(int fd, const std::string& host) = 0;
  /// For a library that uses OpenSSL itself: gives its context (an SSL_CTX) the same certificates,
  /// keys and rules. Whether the name of the host is checked is that library's business. False:
  /// OpenSSL refuses.
  virtual bool equip(void* ssl_context) const = 0;
  /// What a peer complains about that ended a handshake with this error code of OpenSSL, for
  /// people; empty: it is not a complaint of a peer.
  virtual std::string complaint(unsigned long code) const = 0;
  /// What in the plan has no effect: a sentence each.
  virtual const std::vector<std::string>& notes() const = 0;
};

/// The symbol in the library. Sets `context` or returns what is wrong with the plan (class config).
/// No message holds a password.
using MakeTlsContext = Status(const TlsPlan& plan, std::shared_ptr<TlsContext>& context);
inline constexpr char kTlsLibrary[] = "fl-tls.so";
inline constexpr char kTlsSymbol[] = "fl_make_tls_context";

}  // namespace fl
