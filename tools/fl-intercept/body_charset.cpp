#include "tools/fl-intercept/body_charset.h"

namespace fl {
namespace {

constexpr std::size_t kFailed = static_cast<std::size_t>(-1);

}  // namespace

Status BodyCharset::open(const std::string& name) {
  name_ = name;
  const Result<std::string> known = charset_name(name);
  if (!known) {
    return known.error();
  }
  if (known->empty()) {
    return {};
  }
  if (*known == "UTF-16" || *known == "UTF-32") {
    return Error{ErrorClass::config, "the charset '" + name + "' leaves the order of bytes open",
                 *known + "BE or " + *known + "LE says it"};
  }
  to_utf8_ = open_converter("UTF-8", *known);
  from_utf8_ = open_converter(*known, "UTF-8");
  if (to_utf8_ == nullptr || from_utf8_ == nullptr) {
    return unknown_charset(name);
  }
  return {};
}

bool BodyCharset::convert(iconv_t converter, std::string_view in, std::string& out) {
  out.resize(in.size() * 4 + 16);             // no character takes more in any charset
  char* from = const_cast<char*>(in.data());  // iconv(3) only reads there
  std::size_t left = in.size();
  char* to = out.data();
  std::size_t room = out.size();
  iconv(converter, nullptr, nullptr, nullptr, nullptr);
  const bool done = iconv(converter, &from, &left, &to, &room) != kFailed &&
                    iconv(converter, nullptr, nullptr, &to, &room) != kFailed;
  out.resize(out.size() - room);
  return done;
}

Status BodyCharset::decode(std::string_view bytes, std::string& text) {
  if (!convert(to_utf8_.get(), bytes, text)) {
    return Error{ErrorClass::input, "the body of an event is not text in " + name_};
  }
  return {};
}

Status BodyCharset::encode(std::string_view text, std::string& bytes) {
  if (!convert(from_utf8_.get(), text, bytes)) {
    return Error{ErrorClass::config,
                 "the replacement holds a character that " + name_ + " does not have"};
  }
  return {};
}

}  // namespace fl
