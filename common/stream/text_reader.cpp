#include "common/stream/text_reader.h"

#include <cstring>

#include "common/compress/stream_decompressor.h"

namespace fl {

Result<bool> TextReader::read(InputBuffer& in, bool eof, BlockBuilder& out) {
  for (;;) {
    const std::string_view text = in.view();
    if (text.empty()) {
      if (eof) {
        if (Status status = end_drop(false); !status) {
          return status.error();
        }
      }
      return false;
    }
    const void* found = std::memchr(text.data(), rules_.delimiter, text.size());
    const bool ends = found != nullptr;
    std::size_t length =
        ends ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data())
             : text.size();
    if (rest_ == Rest::drop) {
      if (drops_whole_line()) {
        rejected_.add(text.substr(0, length));
      }
      in.consume(length + (ends ? 1 : 0));
      if (ends) {
        if (Status status = end_drop(true); !status) {
          return status.error();
        }
      }
      continue;
    }
    // A \r may still turn out to precede the delimiter, so it does not count yet.
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
        rejected_.begin();
        rejected_.add(piece);
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
    const Result<bool> added = add(body, out);
    if (added && !*added) {
      return true;
    }
    in.consume(length + (ends ? 1 : 0));
    rest_ = Rest::line;
    if (!added) {
      return added.error();
    }
  }
}

// False: there is no room for it.
inline Result<bool> TextReader::add(std::string_view line, BlockBuilder& out) {
  if (form_ != nullptr) {
    return add_formed(line, out);
  }
  if (!out.fits(BlockBuilder::event_size({}, line))) {
    return false;
  }
  out.add({}, line);
  return true;
}

Result<bool> TextReader::add_formed(std::string_view line, BlockBuilder& out) {
  const Result<bool> parsed = form_->parse(line, limits_);
  if (!parsed) {
    if (!refused_ && !out.empty()) {
      return false;  // what precedes it goes first
    }
    ++ended_;
    Error why = parsed.error();
    why.message = "line " + std::to_string(ended_) + ": " + why.message;
    if (!refused_) {
      return why;
    }
    const Status kept = refused_(line, why);
    return kept ? Result<bool>(true) : Result<bool>(kept.error());
  }
  if (*parsed) {
    if (!out.fits(BlockBuilder::event_size(form_->map(), form_->body()))) {
      return false;
    }
    out.add(form_->map(), form_->body());
  }
  ++ended_;
  return true;
}

// The bytes up to the delimiter, or (`ends`: no) to the end of the input, are skipped.
Status TextReader::end_drop(bool ends) {
  if (std::exchange(rest_, Rest::line) != Rest::drop) {
    return {};
  }
  ++ended_;
  return drops_whole_line() ? rejected_.end(rules_.strip_cr && ends) : Status();
}

namespace {

Error no_text(std::string hint) {
  return {ErrorClass::input, "the input is neither text nor the start of a stream",
          std::move(hint)};
}

}  // namespace

Status check_text_start(std::string_view bytes, char delimiter) {
  const auto refused = [](const char* hint) { return no_text(hint); };
  switch (compression_of_bytes(bytes)) {
    case Compression::none:
      break;
    case Compression::gzip:
      return refused("it is compressed: zcat(1) unpacks it");
    case Compression::zstd:
      return refused("it is compressed: zstdcat(1) unpacks it");
    case Compression::bzip2:
      return refused("it is compressed: bzcat(1) unpacks it");
    case Compression::xz:
      return refused("it is compressed: xzcat(1) unpacks it");
    case Compression::lz4:
      return refused("it is compressed: lz4cat(1) unpacks it");
  }
  if (is_utf16(bytes)) {
    return refused("it seems to be UTF-16: iconv -f UTF-16 -t UTF-8 converts it");
  }
  return check_text(bytes, delimiter);
}

bool is_utf16(std::string_view bytes) {
  return bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff");
}

Status check_text(std::string_view bytes, char delimiter) {
  constexpr std::string_view kAllowed = "\x01\x02\x03\t\n\r\f\x1b";
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) < 0x20 && c != delimiter &&
        kAllowed.find(c) == std::string_view::npos) {
      return no_text(
          "zcat(1) and its like unpack compressed files, iconv(1) converts other "
          "encodings");
    }
  }
  return {};
}

}  // namespace fl
