// One direction of a connection as one zlib stream, as Netty's JdkZlibEncoder and -Decoder make it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.h"

struct z_stream_s;

namespace fl {

/// Compresses messages; each can be unpacked as soon as it is there.
class Deflater {
 public:
  explicit Deflater(int level);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  /// Appends the packed form of `bytes`, all of it.
  void add(std::string& out, std::string_view bytes);

 private:
  std::unique_ptr<z_stream_s> stream_;
};

/// Unpacks piece by piece, so that a bomb costs time, not memory.
class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Takes bytes from the front of `packed` and unpacks at most `size` bytes to `out`; says how
  /// many. 0: it needs more. Class input: not a zlib stream.
  Result<std::size_t> take(std::string_view& packed, char* out, std::size_t size);

 private:
  std::unique_ptr<z_stream_s> stream_;
  bool is_over_ = false;
};

}  // namespace fl
