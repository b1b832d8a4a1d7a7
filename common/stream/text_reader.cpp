#include "common/stream/text_reader.h"

#include <cstring>

namespace fl {

bool TextReader::read(InputBuffer& in, bool eof, BlockBuilder& out) {
  for (;;) {
    const std::string_view text = in.view();
    if (text.empty()) {
      return false;
    }
    const void* found = std::memchr(text.data(), rules_.delimiter, text.size());
    const bool ends = found != nullptr;
    std::size_t length =
        ends ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data())
             : text.size();
    if (rest_ == Rest::drop) {
      in.consume(length + (ends ? 1 : 0));
      if (!ends) {
        return false;
      }
      rest_ = Rest::line;
      continue;
    }
    // A \r may still turn out to stand before the delimiter, so it does not count yet.
    std::string_view body = text.substr(0, length);
    if (rules_.strip_cr && ends && !body.empty() && body.back() == '\r') {
      body.remove_suffix(1);
    }
    const std::size_t certain =
        !ends && !eof && rules_.strip_cr && !body.empty() && body.back() == '\r' ? body.size() - 1
                                                                                 : body.size();
    if (certain > rules_.max_line) {
      const std::string_view piece = body.substr(0, rules_.max_line);
      if (rules_.long_line != LongLine::reject) {
        if (!out.fits(BlockBuilder::event_size({}, piece))) {
          return true;
        }
        out.add({}, piece);
      } else {
        ++rejected_;
      }
      if (rest_ == Rest::line) {
        ++long_lines_;
      }
      in.consume(piece.size());
      rest_ = rules_.long_line == LongLine::split ? Rest::piece : Rest::drop;
      continue;
    }
    if (!ends && !eof) {
      return false;
    }
    if (!out.fits(BlockBuilder::event_size({}, body))) {
      return true;
    }
    out.add({}, body);
    in.consume(length + (ends ? 1 : 0));
    rest_ = Rest::line;
  }
}

Status check_text_start(std::string_view bytes, char delimiter) {
  constexpr std::string_view kAllowed = "\t\n\r\f\x1b";
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) < 0x20 && c != delimiter &&
        kAllowed.find(c) == std::string_view::npos) {
      return Error{ErrorClass::input, "the input is neither text nor the start of a stream",
                   "--text takes any bytes as lines, --stream insists on a stream"};
    }
  }
  return {};
}

}  // namespace fl
