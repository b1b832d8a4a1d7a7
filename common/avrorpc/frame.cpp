#include "common/avrorpc/frame.h"

#include <algorithm>
#include <utility>

namespace fl {
namespace {

/// A message is cut every 8 KiB by Java; nobody has a reason to cut it smaller than this.
constexpr std::size_t kLeastBuffer = 16;
constexpr std::uint32_t kFewBuffers = 1024;

std::uint32_t big_endian(const std::array<unsigned char, 4>& bytes) {
  return (std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) |
         (std::uint32_t{bytes[2]} << 8) | bytes[3];
}

void append_number(std::string& out, std::size_t number) {
  for (const int shift : {24, 16, 8, 0}) {
    out += static_cast<char>((number >> shift) & 0xff);
  }
}

Error not_a_message(std::string why) {
  return {ErrorClass::input, "this is not Avro RPC: " + std::move(why),
          "text, TLS, or compression (compression-type) on one side only?"};
}

}  // namespace

Result<std::size_t> RpcFrameReader::take(std::string_view bytes) {
  const std::size_t before = bytes.size();
  while (!is_whole_) {
    if (state_ == State::bytes) {
      const std::size_t taken = std::min(in_buffer_, bytes.size());
      add(bytes.substr(0, taken));
      bytes.remove_prefix(taken);
      in_buffer_ -= taken;
      if (in_buffer_ > 0) {
        break;
      }
      end_buffer();
      continue;
    }
    if (!take_number(bytes)) {
      break;
    }
    const std::uint32_t number = big_endian(number_);
    if (state_ == State::serial) {
      serial_ = number;
      state_ = State::count;
      continue;
    }
    if (Status status = state_ == State::count ? take_count(number) : take_length(number);
        !status) {
      return status.error();
    }
  }
  return before - bytes.size();
}

// A message that grows is copied again and again, into memory that is new to the process.
void RpcFrameReader::add(std::string_view bytes) {
  const std::size_t size = message_.size() + bytes.size();
  if (spare_ != nullptr && size > message_.capacity() && size <= spare_->capacity() &&
      size >= spare_->capacity() / 4) {
    spare_->assign(message_);
    message_ = std::exchange(*spare_, {});
  }
  message_ += bytes;
}

bool RpcFrameReader::take_number(std::string_view& bytes) {
  while (number_size_ < number_.size() && !bytes.empty()) {
    number_[number_size_++] = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
  }
  if (number_size_ < number_.size()) {
    return false;
  }
  number_size_ = 0;
  return true;
}

Status RpcFrameReader::take_count(std::uint32_t count) {
  buffers_ = count;
  if (buffers_ > kFewBuffers + max_message_ / kLeastBuffer) {
    return not_a_message("a message of " + std::to_string(buffers_) + " buffers");
  }
  state_ = State::length;
  if (buffers_ == 0) {
    is_whole_ = true;
  }
  return {};
}

Status RpcFrameReader::take_length(std::uint32_t length) {
  if (length > max_message_ - message_.size()) {
    std::string hint = "text, TLS or compression (compression-type) on one side only?";
    if (option_ != nullptr) {
      hint = std::string("a larger ") + option_ + ", or smaller batches? Or " + hint;
    }
    return Error{ErrorClass::input,
                 "a message of more than " + std::to_string(max_message_) + " bytes",
                 std::move(hint)};
  }
  in_buffer_ = length;
  state_ = State::bytes;
  return {};
}

void RpcFrameReader::end_buffer() {
  is_whole_ = --buffers_ == 0;
  state_ = State::length;
}

void RpcFrameReader::next() {
  message_ = {};
  is_whole_ = false;
  state_ = State::serial;
}

void append_frame_head(std::string& out, std::uint32_t serial, std::size_t size) {
  append_number(out, serial);
  append_number(out, 1);
  append_number(out, size);
}

void append_frame(std::string& out, std::uint32_t serial,
                  std::initializer_list<std::string_view> buffers) {
  append_number(out, serial);
  append_number(out, buffers.size());
  for (const std::string_view buffer : buffers) {
    append_number(out, buffer.size());
    out += buffer;
  }
}

}  // namespace fl
