// Writes blocks of a stream to stdout, each when it may: at most WINDOW blocks are unacknowledged.
// So with 1 each block waits for the acknowledgement of the one before.
// usage: commits BLOCKS EVENTS BYTES WINDOW | STAGE     EVENTS in a block, each with a body of
// BYTES
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/ack/ack_server.h"
#include "common/io/poll_set.h"
#include "common/stream/container.h"

namespace {

bool write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(1, bytes.data(), bytes.size());
    if (n <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void put_number(std::string& out, std::uint64_t value) {
  value <<= 1;
  for (; value >= 128; value >>= 7) {
    out += static_cast<char>(value | 128);
  }
  out += static_cast<char>(value);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: commits BLOCKS EVENTS BYTES WINDOW\n");
    return 64;
  }
  const auto number = [argv](int i) { return std::strtoull(argv[i], nullptr, 10); };
  const std::uint64_t blocks = number(1);
  const std::uint64_t events = number(2);
  const std::uint64_t window = number(4) * events;
  auto server = fl::AckServer::open();
  if (!server) {
    std::fprintf(stderr, "commits: %s\n", server.error().message.c_str());
    return 73;
  }
  fl::AckServer& acks = **server;
  const fl::Marker marker = fl::random_marker();
  std::string payload;
  for (std::uint64_t i = 0; i < events; ++i) {
    payload += '\0';  // no headers
    put_number(payload, number(3));
    payload.append(number(3), 'x');
  }
  std::string block;
  put_number(block, events);
  put_number(block, payload.size());
  block += payload;
  block.append(reinterpret_cast<const char*>(marker.data()), marker.size());
  const fl::Metadata metadata = fl::event_metadata({{std::string(fl::kKeyVersion), "1"},
                                                    {std::string(fl::kKeyStream), acks.stream_id()},
                                                    {std::string(fl::kKeyAck), acks.path()}});
  (void)::fcntl(1, F_SETPIPE_SZ, 1 << 20);  // as every stage does
  bool fine = write_all(fl::container_header(metadata, marker));
  const std::uint64_t all = blocks * events;
  std::uint64_t written = 0;
  bool is_told = false;
  while (fine && acks.acked() < all) {
    while (fine && acks.has_reader() && written < all &&
           written + events <= acks.acked() + window) {
      fine = write_all(block);
      written += events;
    }
    if (written == all && !is_told) {
      acks.end(all);
      is_told = true;
    }
    fl::PollSet set;
    acks.watch(set);
    set.wait();
    acks.handle(set, written);
    fine = fine && (acks.acked() == all || !acks.reader_lost());
  }
  acks.remove();
  if (!fine) {
    std::fprintf(stderr, "commits: the reader has gone\n");
    return 75;
  }
  return 0;
}
