// The side connection: whatever the other side sends, an end of it neither crashes nor believes in
// more acknowledgements than were written.
// Input: a byte (who reads: bit 0; hello first: bit 1; size of the pieces), then the lines.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "common/ack/ack_client.h"
#include "common/ack/ack_server.h"
#include "tests/fuzz/check.h"

namespace {

using fl::fuzz::check;

constexpr std::uint64_t kWritten = 1000;
constexpr std::size_t kMost = 4096;

bool send_all(int fd, std::string_view bytes) {
  return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(bytes.size());
}

template <typename Handle>
void feed(int fd, std::string_view lines, std::size_t step, Handle handle) {
  while (!lines.empty()) {
    const std::string_view piece = lines.substr(0, step);
    lines.remove_prefix(piece.size());
    if (!send_all(fd, piece)) {
      break;
    }
    handle();
  }
  shutdown(fd, SHUT_WR);
  handle();
}

void to_reader(std::string_view lines, std::size_t step) {
  int fds[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "a pair of sockets");
  fl::UniqueFd peer(fds[0]);
  fl::AckClient client(fl::UniqueFd(fds[1]), "00112233445566778899aabbccddeeff");
  client.resume({{"source", "place"}});
  std::uint64_t reached = 0;
  feed(peer.get(), lines, step, [&] {
    const std::uint64_t want = client.want();
    client.handle();
    while (const auto entry = client.take_position(kWritten)) {
      check(entry->events >= reached && entry->events <= kWritten, "positions come in order");
      check(entry->position.text().has_value(), "a position can be passed on");
      reached = entry->events;
    }
    check(client.want() >= want, "want never falls");
    check(!client.end() || client.want() >= *client.end(), "end implies want");
    client.ack(want);
  });
}

void to_writer(std::string_view lines, std::size_t step, bool hello) {
  fl::Result<std::unique_ptr<fl::AckServer>> opened = fl::AckServer::open();
  check(opened.ok(), "a listening socket");
  fl::AckServer& server = **opened;
  fl::UniqueFd peer(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  check(server.path().size() < sizeof address.sun_path, "the path fits");
  std::memcpy(address.sun_path, server.path().data(), server.path().size());
  check(connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
        "a connection");
  const auto handle = [&] {
    fl::PollSet set;
    server.watch(set);
    set.wake_now();
    set.wait();
    const std::uint64_t acked = server.acked();
    server.handle(set, kWritten);
    check(server.acked() >= acked, "acks never fall");
    check(server.acked() <= kWritten, "no ack for what was not written");
    check(hello || !server.had_reader(), "no reader without the stream's id");
    if (server.kept_positions()) {
      check(hello, "no positions without the stream's id");
      for (const fl::Position& position : *server.kept_positions()) {
        check(position.text().has_value(), "a position can be passed on");
        server.position(1, position);
      }
    }
  };
  handle();  // accepts
  if (hello) {
    check(send_all(peer.get(), "FL/1 " + server.stream_id() + "\n"), "hello is sent");
    handle();
    check(server.had_reader(), "hello makes a reader");
  }
  server.want(10);
  server.end(kWritten);
  feed(peer.get(), lines, step, handle);
  handle();
  server.remove();
}

// Sockets go to a directory of this process.
struct Place {
  std::string path = "/tmp/fl-fuzz-XXXXXX";
  Place() {
    check(mkdtemp(path.data()) != nullptr, "a directory");
    setenv("FL_RUNTIME_DIR", path.c_str(), 1);
    check(chmod(path.c_str(), 0711) == 0, "its mode");
  }
  ~Place() { rmdir(path.c_str()); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Place place;
  if (size < 1) {
    return 0;
  }
  const std::string_view lines(reinterpret_cast<const char*>(data) + 1, std::min(size - 1, kMost));
  const std::size_t step = std::size_t{data[0]} / 4 * 16 + 1;
  if ((data[0] & 1) != 0) {
    to_reader(lines, step);
  } else {
    to_writer(lines, step, (data[0] & 2) != 0);
  }
  return 0;
}
