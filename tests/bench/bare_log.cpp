// What is left of a log without format, checksums, threads and recovery: reads a stream from stdin,
// appends it to FILE, AT_ONCE whole blocks in each write, which syncs, and then acknowledges them.
// usage: commits ... | bare_log FILE AT_ONCE
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "common/ack/ack_client.h"
#include "common/ack/socket_place.h"
#include "common/stream/container.h"

namespace {

/// False at the end of the input, or if it cannot be read.
bool read_more(std::string& in) {
  const std::size_t before = in.size();
  in.resize(before + (1 << 20));
  const ssize_t n = ::read(0, in.data() + before, 1 << 20);
  in.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
  return n > 0;
}

/// Moves `at` over a number of Avro's; false if it is not there as a whole.
bool take_number(const std::string& in, std::size_t& at, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; at < in.size() && shift < 63; shift += 7) {
    const auto byte = static_cast<unsigned char>(in[at++]);
    value |= std::uint64_t{byte & 127U} << shift;
    if (byte < 128) {
      value >>= 1;
      return true;
    }
  }
  return false;
}

/// The length of the block at `at` and its events; 0 if it is not there as a whole.
std::size_t whole_block(const std::string& in, std::size_t at, std::uint64_t& events) {
  std::size_t end = at;
  std::uint64_t size = 0;
  if (!take_number(in, end, events) || !take_number(in, end, size) ||
      in.size() - end < size + sizeof(fl::Marker)) {
    return 0;
  }
  return end + size + sizeof(fl::Marker) - at;
}

int fail(const char* what) {
  std::fprintf(stderr, "bare_log: %s\n", what);
  return 74;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bare_log FILE AT_ONCE\n");
    return 64;
  }
  const std::uint64_t at_once = std::strtoull(argv[2], nullptr, 10);
  const fl::UniqueFd file(::open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_DSYNC, 0644));
  if (!file) {
    return fail("cannot open the file");
  }
  std::string in;
  fl::ContainerHeader header;
  std::size_t used = 0;
  while (used == 0) {
    if (!read_more(in)) {
      return fail("stdin held no stream");
    }
    const auto parsed = fl::parse_container_header(in, header);
    if (!parsed) {
      return fail("stdin held no stream");
    }
    used = *parsed;
  }
  in.erase(0, used);
  fl::UniqueFd socket;
  std::string why;
  const std::string_view id = header.find(fl::kKeyStream);
  if (fl::connect_to_writer(header.find(fl::kKeyAck), id, 0, socket, why) !=
      fl::ConnectResult::connected) {
    return fail("the writer does not listen");
  }
  fl::AckClient acks(std::move(socket), id);
  acks.at("log synced");
  std::uint64_t acked = 0;
  bool is_open = true;
  while (acks.is_open() && (!acks.end() || acked < *acks.end())) {
    std::size_t end = 0;
    std::uint64_t blocks = 0;
    std::uint64_t events = 0;
    std::uint64_t more = 0;
    while (const std::size_t length = whole_block(in, end, more)) {
      end += length;
      events += more;
      ++blocks;
    }
    const bool is_last = acks.last() && acked + events == *acks.last();
    if (blocks >= at_once || (is_last && blocks > 0)) {
      if (::write(file.get(), in.data(), end) != static_cast<ssize_t>(end)) {
        return fail("cannot write");
      }
      in.erase(0, end);
      acked += events;
      acks.ack(acked);
      continue;
    }
    pollfd set[] = {{is_open ? 0 : -1, POLLIN, 0}, {acks.fd(), acks.events(), 0}};
    if (::poll(set, 2, 30'000) <= 0) {
      return fail("nothing came");
    }
    if (set[0].revents != 0) {
      is_open = read_more(in);
    }
    if (set[1].revents != 0) {
      acks.handle();
    }
  }
  return acks.end() && acked == *acks.end() ? 0 : 75;
}
