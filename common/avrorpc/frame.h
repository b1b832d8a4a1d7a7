// Messages of Avro RPC on a TCP connection: a serial number, then the message as a list of buffers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// Finds messages in the bytes of a connection. Buffer boundaries mean nothing, so they are left
/// out. Its memory is a few times what has come of one message, never what a length promises.
class RpcFrameReader {
 public:
  /// `max_message`: the most bytes of a message. `spare`, if not null: memory for a message that
  /// has grown to a quarter of it; several readers may share it. `option`: what sets max_message,
  /// for messages.
  explicit RpcFrameReader(std::size_t max_message, std::string* spare = nullptr,
                          const char* option = nullptr)
      : max_message_(max_message), spare_(spare), option_(option) {}

  /// Takes bytes from the front of `bytes` up to the end of a message, and says how many. Takes
  /// none while a message is whole. An error (class input) ends the connection.
  Result<std::size_t> take(std::string_view bytes);

  /// message() is one, until next().
  bool is_whole() const { return is_whole_; }
  /// A message has begun.
  bool has_begun() const { return number_size_ > 0 || state_ != State::serial; }
  std::uint32_t serial() const { return serial_; }
  std::string& message() { return message_; }
  /// Bytes that have come of it.
  std::size_t size() const { return message_.size(); }
  /// Forgets the message and its memory.
  void next();

 private:
  enum class State { serial, count, length, bytes };

  bool take_number(std::string_view& bytes);
  Status take_count(std::uint32_t count);
  Status take_length(std::uint32_t length);
  void end_buffer();
  void add(std::string_view bytes);

  const std::size_t max_message_;
  std::string* const spare_;
  const char* const option_;
  State state_ = State::serial;
  std::array<unsigned char, 4> number_{};
  std::size_t number_size_ = 0;
  std::uint32_t serial_ = 0;
  std::uint32_t buffers_ = 0;  // still to come, the current one included
  std::size_t in_buffer_ = 0;  // bytes that the current one lacks
  bool is_whole_ = false;
  std::string message_;
};

/// Appends the start of a message of one buffer of `size` bytes, which follow.
void append_frame_head(std::string& out, std::uint32_t serial, std::size_t size);
/// Appends a whole message.
void append_frame(std::string& out, std::uint32_t serial,
                  std::initializer_list<std::string_view> buffers);

}  // namespace fl
