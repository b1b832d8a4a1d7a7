// The text in a file: its bytes as they are, decompressed, turned into UTF-8, or both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/charset.h"
#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/compress/stream_decompressor.h"

namespace fl {

/// How the bytes of a file become text.
struct TextForm {
  enum class Malformed { fail, replace, ignore };

  Compression compression = Compression::none;
  std::string charset = {};  ///< iconv's name of what is turned into UTF-8; empty: bytes pass
  Malformed malformed = Malformed::fail;  ///< bytes that the encoding does not have

  /// True: the bytes of the file are the text, so that any place in it can be read at once.
  bool plain() const { return compression == Compression::none && charset.empty(); }
  /// "gzip", "UTF-16LE", "gzip UTF-16LE"; empty if plain. In two texts of the same file that are
  /// named alike the same offset is the same place.
  std::string name() const;
};

/// Reads the text of one open file from its start to its end. Memory: up to three buffers of 64
/// KiB, and the decoder's own (common/compress/stream_decompressor.h), where the form is not plain.
class SpoolText {
 public:
  /// `name` is for messages. Errors: a library or an encoding that this system does not have.
  static Result<SpoolText> open(UniqueFd fd, std::string name, const TextForm& form);

  int fd() const { return fd_.get(); }
  /// Fills `to` with the next bytes; fewer than `size` only at the end of the text. Errors: class
  /// io; class input for damaged or cut data, and malformed text unless that is allowed.
  Result<std::size_t> read(std::uint8_t* to, std::size_t size);
  /// The next read() begins at this byte of the text, or at its end if that is earlier. Backwards
  /// only to 0.
  Status seek(std::uint64_t offset);
  /// Bytes that the encoding does not have, replaced or left out so far.
  std::uint64_t malformed() const { return malformed_; }

 private:
  SpoolText(UniqueFd fd, std::string name, TextForm form)
      : fd_(std::move(fd)), name_(std::move(name)), form_(std::move(form)) {}

  Status start();
  Result<std::size_t> read_file(std::uint8_t* to, std::size_t size);
  Result<std::size_t> read_unpacked(std::uint8_t* to, std::size_t size);
  Result<std::size_t> read_converted(std::uint8_t* to, std::size_t size);
  Status check_byte_order();
  Status convert();

  static constexpr std::size_t kBuffer = 64 << 10;

  UniqueFd fd_;
  std::string name_;
  TextForm form_;
  std::uint64_t file_offset_ = 0;  // of the next byte that is read from the file
  std::uint64_t position_ = 0;     // in the text

  std::unique_ptr<StreamDecompressor> decoder_;
  std::unique_ptr<std::uint8_t[]> packed_;
  std::size_t packed_begin_ = 0;
  std::size_t packed_end_ = 0;

  Converter converter_;
  std::unique_ptr<std::uint8_t[]> foreign_;  // text that is not converted yet
  std::size_t foreign_begin_ = 0;
  std::size_t foreign_end_ = 0;
  bool foreign_over_ = false;
  std::unique_ptr<std::uint8_t[]> utf8_;
  std::size_t utf8_begin_ = 0;
  std::size_t utf8_end_ = 0;
  bool order_checked_ = false;
  bool flushed_ = false;
  std::uint64_t malformed_ = 0;
};

}  // namespace fl
