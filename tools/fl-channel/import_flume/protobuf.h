// The part of protobuf's wire format that Flume's file channel uses.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fl {

/// Reads a base-128 number off the front. Nothing: there is none.
std::optional<std::uint64_t> take_varint(std::string_view& bytes);
/// Takes a message with its length before it off the front. Nothing: it is not all there.
std::optional<std::string_view> take_sized(std::string_view& bytes);

/// Walks the fields of one message.
class ProtoFields {
 public:
  explicit ProtoFields(std::string_view message) : rest_(message) {}

  /// False: there is no further field; then ok() says whether that is the end.
  bool next();
  bool ok() const { return ok_; }

  std::uint32_t number() const { return number_; }
  /// The value of a number of any width. 0 for bytes.
  std::uint64_t value() const { return value_; }
  /// True for a number with 4 or 8 bytes, which is all that Flume writes.
  bool is_fixed() const { return wire_ == 1 || wire_ == 5; }
  bool is_bytes() const { return wire_ == 2; }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view rest_;
  std::string_view bytes_;
  std::uint64_t value_ = 0;
  std::uint32_t number_ = 0;
  std::uint32_t wire_ = 0;
  bool ok_ = true;
};

}  // namespace fl
