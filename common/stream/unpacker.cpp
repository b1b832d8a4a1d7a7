#include "common/stream/unpacker.h"

#include <utility>

namespace fl {

Decompress Decompress::of(std::string_view word) {
  if (word == "auto") {
    return {Mode::match, Compression::none};
  }
  const Compression format = compression_named(word);
  return {format == Compression::none ? Mode::refuse : Mode::always, format};
}

Result<Compression> Decompress::choose(std::string_view head, std::string_view file,
                                       const std::string& what) const {
  const Compression found = compression_of_bytes(head);
  Compression wanted = format;
  if (mode == Mode::match) {
    wanted = file.empty() ? found : compression_of_file(file);
  }
  if (found == wanted) {
    return found;
  }
  const bool by_name = mode == Mode::match;
  if (found == Compression::none) {
    return Error{ErrorClass::input,
                 "cannot read " + what + ": it is not " + std::string(name_of(wanted)) + " data" +
                     (by_name ? ", as its name says" : ""),
                 by_name ? "rename it, or leave out --decompress"
                         : "--decompress auto unpacks only what is compressed"};
  }
  const std::string name(name_of(found));
  return Error{ErrorClass::input, "cannot read " + what + " as text: it is compressed with " + name,
               by_name ? "give it a matching name, or use --decompress " + name
               : file.empty()
                   ? "--decompress " + name + " reads it"
                   : "--decompress " + name +
                         " reads such files; --decompress auto those with a matching name"};
}

Result<std::unique_ptr<Unpacker>> Unpacker::open(Compression format, std::string what) {
  auto decoder = open_stream_decompressor(format);
  if (!decoder) {
    return decoder.error();
  }
  std::unique_ptr<Unpacker> unpacker(new Unpacker(format, std::move(what)));
  unpacker->decoder_ = std::move(*decoder);
  return unpacker;
}

Result<std::size_t> Unpacker::unpack(InputBuffer& out) {
  std::string_view in = packed_.view();
  const std::size_t before = in.size();
  const Result<std::size_t> got = decoder_->decode(in, piece_.get(), kPiece);
  if (!got) {
    return Error{got.error().kind, "cannot decompress " + what_ + ": " + got.error().message};
  }
  packed_.consume(before - in.size());
  out.append({reinterpret_cast<const char*>(piece_.get()), *got});
  return *got;
}

Status Unpacker::check_end() const {
  if (decoder_->complete()) {
    return {};
  }
  return Error{ErrorClass::input,
               what_ + " is cut: its " + std::string(name_of(format_)) + " data ends early",
               "copy it again; what came before the cut was read"};
}

}  // namespace fl
