#include "tools/fl-source/spool_text.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool starts_with_any(const std::string& name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) {
    return name.size() >= prefix.size() &&
           std::equal(prefix.begin(), prefix.end(), name.begin(), [](char a, char b) {
             return a == (b >= 'a' && b <= 'z' ? b - 'a' + 'A' : b);
           });
  });
}

// Bytes of the smallest piece of text in an encoding.
std::size_t unit_of(const std::string& charset) {
  return starts_with_any(charset, {"UTF-16", "UTF16", "UCS-2", "UCS2"})   ? 2
         : starts_with_any(charset, {"UTF-32", "UTF32", "UCS-4", "UCS4"}) ? 4
                                                                          : 1;
}

}  // namespace

std::string TextForm::name() const {
  std::string text;
  if (compression != Compression::none) {
    text = name_of(compression);
  }
  if (!charset.empty()) {
    text += (text.empty() ? "" : " ") + charset;
  }
  return text;
}

Result<SpoolText> SpoolText::open(UniqueFd fd, std::string name, const TextForm& form) {
  SpoolText text(std::move(fd), std::move(name), form);
  if (Status status = text.start(); !status) {
    return status.error();
  }
  return text;
}

// From the first byte.
Status SpoolText::start() {
  file_offset_ = position_ = 0;
  packed_begin_ = packed_end_ = foreign_begin_ = foreign_end_ = 0;
  utf8_begin_ = utf8_end_ = 0;
  foreign_over_ = flushed_ = order_checked_ = false;
  malformed_ = 0;
  if (form_.compression != Compression::none) {
    auto decoder = open_stream_decompressor(form_.compression);
    if (!decoder) {
      return decoder.error();
    }
    decoder_ = std::move(*decoder);
    if (packed_ == nullptr) {
      packed_ = std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer);
    }
  }
  if (!form_.charset.empty()) {
    converter_ = open_converter("UTF-8", form_.charset);
    if (converter_ == nullptr) {
      return unknown_charset(form_.charset);
    }
    if (foreign_ == nullptr) {
      foreign_ = std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer);
      utf8_ = std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer);
    }
  }
  return {};
}

Result<std::size_t> SpoolText::read_file(std::uint8_t* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd_.get(), to + done, size - done, static_cast<off_t>(file_offset_));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return system_error(ErrorClass::io, "cannot read '" + name_ + "'", errno);
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
    file_offset_ += static_cast<std::size_t>(n);
  }
  return done;
}

Result<std::size_t> SpoolText::read_unpacked(std::uint8_t* to, std::size_t size) {
  if (decoder_ == nullptr) {
    return read_file(to, size);
  }
  std::size_t done = 0;
  bool over = false;
  while (done < size) {
    if (packed_begin_ == packed_end_ && !over) {
      const auto got = read_file(packed_.get(), kBuffer);
      if (!got) {
        return got.error();
      }
      packed_begin_ = 0;
      packed_end_ = *got;
      over = *got == 0;
    }
    std::string_view in(reinterpret_cast<const char*>(packed_.get()) + packed_begin_,
                        packed_end_ - packed_begin_);
    const auto got = decoder_->decode(in, to + done, size - done);
    if (!got) {
      return Error{got.error().kind, "cannot decompress '" + name_ + "': " + got.error().message};
    }
    packed_begin_ = packed_end_ - in.size();
    done += *got;
    if (over && *got == 0) {
      if (!decoder_->complete()) {
        return Error{ErrorClass::input,
                     "'" + name_ + "' is cut: its " + std::string(name_of(form_.compression)) +
                         " data ends early",
                     "copy it again; nothing of it was delivered"};
      }
      break;
    }
  }
  return done;
}

// The byte order of UTF-16 and UTF-32 is not guessed: Java and iconv(3) guess differently.
Status SpoolText::check_byte_order() {
  const std::size_t unit = unit_of(form_.charset);
  if (unit == 1 || form_.charset.ends_with('E')) {
    return {};  // UTF-16LE or UTF-16BE
  }
  const std::string_view head(reinterpret_cast<const char*>(foreign_.get()), foreign_end_);
  constexpr std::string_view kMarks[] = {"\xff\xfe", "\xfe\xff", {"\0\0\xfe\xff", 4}};
  if (head.empty() || std::any_of(std::begin(kMarks), std::end(kMarks),
                                  [&](std::string_view mark) { return head.starts_with(mark); })) {
    return {};
  }
  return Error{
      ErrorClass::input,
      "cannot read '" + name_ + "' as " + form_.charset +
          ": it does not begin with a byte order mark",
      "--input-charset " + form_.charset + "LE or " + form_.charset + "BE names the byte order"};
}

// Converts until the buffer of UTF-8 is full or the text is over.
Status SpoolText::convert() {
  char* out = reinterpret_cast<char*>(utf8_.get());
  std::size_t room = kBuffer;
  bool wants_more = true;
  while (!flushed_) {
    if (wants_more && !foreign_over_) {
      const std::size_t left = foreign_end_ - foreign_begin_;
      std::memmove(foreign_.get(), foreign_.get() + foreign_begin_, left);
      const auto got = read_unpacked(foreign_.get() + left, kBuffer - left);
      if (!got) {
        return got.error();
      }
      foreign_begin_ = 0;
      foreign_end_ = left + *got;
      foreign_over_ = foreign_end_ < kBuffer;
      if (!std::exchange(order_checked_, true)) {
        if (Status status = check_byte_order(); !status) {
          return status;
        }
      }
    }
    wants_more = false;
    char* in = reinterpret_cast<char*>(foreign_.get()) + foreign_begin_;
    std::size_t left = foreign_end_ - foreign_begin_;
    const bool flush = left == 0 && foreign_over_;
    const std::size_t done =
        iconv(converter_.get(), flush ? nullptr : &in, flush ? nullptr : &left, &out, &room);
    const int number = done == static_cast<std::size_t>(-1) ? errno : 0;
    foreign_begin_ = foreign_end_ - left;
    if (number == E2BIG) {
      break;
    }
    if (number == EILSEQ || (number == EINVAL && foreign_over_)) {
      if (form_.malformed == TextForm::Malformed::fail) {
        return Error{ErrorClass::input, "'" + name_ + "' is not " + form_.charset + " throughout",
                     "--decode-error-policy REPLACE puts U+FFFD in the place of other bytes"};
      }
      if (form_.malformed == TextForm::Malformed::replace) {
        if (room < kReplacement.size()) {
          break;
        }
        std::memcpy(out, kReplacement.data(), kReplacement.size());
        out += kReplacement.size();
        room -= kReplacement.size();
      }
      ++malformed_;
      foreign_begin_ += std::min(unit_of(form_.charset), foreign_end_ - foreign_begin_);
    } else if (flush) {
      flushed_ = true;
    } else {
      wants_more = true;  // all was taken, or a character is cut
    }
  }
  utf8_begin_ = 0;
  utf8_end_ = kBuffer - room;
  return {};
}

Result<std::size_t> SpoolText::read_converted(std::uint8_t* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    if (utf8_begin_ == utf8_end_) {
      if (Status status = convert(); !status) {
        return status.error();
      }
      if (utf8_end_ == 0) {
        break;
      }
    }
    const std::size_t some = std::min(size - done, utf8_end_ - utf8_begin_);
    std::memcpy(to + done, utf8_.get() + utf8_begin_, some);
    utf8_begin_ += some;
    done += some;
  }
  return done;
}

Result<std::size_t> SpoolText::read(std::uint8_t* to, std::size_t size) {
  auto got = converter_ != nullptr ? read_converted(to, size) : read_unpacked(to, size);
  if (got) {
    position_ += *got;
  }
  return got;
}

Status SpoolText::seek(std::uint64_t offset) {
  if (form_.plain()) {
    file_offset_ = position_ = offset;
    return {};
  }
  if (offset < position_) {
    if (Status status = start(); !status) {
      return status;
    }
  }
  std::uint8_t passed[4096];
  while (position_ < offset) {
    const auto got =
        read(passed,
             static_cast<std::size_t>(std::min<std::uint64_t>(offset - position_, sizeof passed)));
    if (!got) {
      return got.error();
    }
    if (*got == 0) {
      break;
    }
  }
  return {};
}

}  // namespace fl
