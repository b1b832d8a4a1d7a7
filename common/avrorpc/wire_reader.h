// Reads Avro's binary encoding out of bytes that nobody has checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fl {

/// Goes forward through `bytes`. Each call gives nothing where the bytes hold no such value; then
/// the message is damaged, and what follows means nothing. No call takes longer than the bytes
/// that it passes.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::int64_t> number();
  std::optional<bool> boolean();
  /// A string, or bytes.
  std::optional<std::string_view> sized();
  std::optional<std::string_view> fixed(std::size_t size);
  /// A map of bytes or strings, of which nothing is kept.
  bool skip_map();

  /// What has not been read.
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace fl
