// Writes data files as Flume's file channel does.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fl::test {

/// One log-N. Numbers of records are given by the test, so that files can be merged.
class FlumeLog {
 public:
  explicit FlumeLog(std::uint32_t number) : number_(number) {}

  /// The event's pointer.
  std::uint64_t put(std::uint64_t transaction, std::uint64_t order, std::string_view body,
                    const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    std::string event;
    for (const auto& [key, value] : headers) {
      event += sized(1, sized(1, key) + sized(2, value));
    }
    event += sized(2, body);
    const std::uint64_t checksum =
        ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    return record(1, transaction, order, sized(1, event) + fixed64(2, checksum));
  }
  void take(std::uint64_t transaction, std::uint64_t order, std::uint64_t pointer) {
    record(2, transaction, order,
           fixed32(1, static_cast<std::uint32_t>(pointer >> 32)) +
               fixed32(2, static_cast<std::uint32_t>(pointer)));
  }
  void rollback(std::uint64_t transaction, std::uint64_t order) {
    record(3, transaction, order, "");
  }
  void commit(std::uint64_t transaction, std::uint64_t order, bool takes = false) {
    record(4, transaction, order, fixed32(1, takes ? 2 : 1));
  }
  /// Of any kind.
  std::uint64_t record(std::uint32_t kind, std::uint64_t transaction, std::uint64_t order,
                       const std::string& body) {
    const std::string head = fixed32(1, kind) + fixed64(2, transaction) + fixed64(3, order);
    const std::string payload = varint(head.size()) + head + varint(body.size()) + body + '\0';
    const std::uint64_t pointer = std::uint64_t{number_} << 32 | bytes.size();
    bytes += '\x7f';
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(payload.size() >> shift);
    }
    bytes += payload;
    return pointer;
  }

  /// Writes it and its .meta, with filler after the records.
  void write(const std::string& directory, std::uint64_t position = 0, std::uint64_t order = 0,
             std::size_t filler = 64) const {
    const std::string path = directory + "/log-" + std::to_string(number_);
    (void)std::remove(path.c_str());  // truncating a file makes some file systems sync it
    (void)std::remove((path + ".meta").c_str());
    std::ofstream(path, std::ios::binary) << bytes << std::string(filler, '\x80');
    const std::string meta =
        fixed32(1, 3) + fixed32(2, number_) + fixed64(3, position) + fixed64(4, order);
    std::ofstream(path + ".meta", std::ios::binary) << varint(meta.size()) << meta;
  }

  std::string bytes;

  static std::string varint(std::uint64_t value) {
    std::string out;
    for (; value >= 0x80; value >>= 7) {
      out += static_cast<char>(value | 0x80);
    }
    return out + static_cast<char>(value);
  }
  static std::string fixed64(unsigned field, std::uint64_t value) {
    std::string out(1, static_cast<char>(field << 3 | 1));
    for (int i = 0; i < 8; ++i) {
      out += static_cast<char>(value >> (8 * i));
    }
    return out;
  }
  static std::string fixed32(unsigned field, std::uint32_t value) {
    std::string out(1, static_cast<char>(field << 3 | 5));
    for (int i = 0; i < 4; ++i) {
      out += static_cast<char>(value >> (8 * i));
    }
    return out;
  }
  static std::string sized(unsigned field, std::string_view bytes) {
    return std::string(1, static_cast<char>(field << 3 | 2)) + varint(bytes.size()) +
           std::string(bytes);
  }

 private:
  std::uint32_t number_;
};

}  // namespace fl::test
