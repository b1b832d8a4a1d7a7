#include "tools/fl-intercept/charset.h"

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace fl {
namespace {

constexpr std::size_t kFailed = static_cast<std::size_t>(-1);

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

// iconv_open() says "failed" with the pointer -1.
iconv_t opened(const std::string& to, const std::string& from) {
  iconv_t converter = iconv_open(to.c_str(), from.c_str());
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return converter == reinterpret_cast<iconv_t>(kFailed) ? nullptr : converter;
}

}  // namespace

Status Charset::open(const std::string& name) {
  name_ = name;
  const std::string known = upper(name);
  if (known == "UTF-8" || known == "UTF8" || known == "US-ASCII" || known == "ASCII") {
    return {};
  }
  if (known == "UTF-16" || known == "UTF-32") {
    return Error{ErrorClass::config, "the charset '" + name + "' leaves the order of bytes open",
                 known + "BE or " + known + "LE says it"};
  }
  // A suffix such as //TRANSLIT would change text.
  if (name.find('/') == std::string::npos) {
    to_utf8_.reset(opened("UTF-8", name));
    from_utf8_.reset(opened(name, "UTF-8"));
  }
  if (to_utf8_ == nullptr || from_utf8_ == nullptr) {
    return Error{ErrorClass::config, "unknown charset '" + name + "'",
                 "'iconv -l' lists the known ones"};
  }
  return {};
}

bool Charset::convert(iconv_t converter, std::string_view in, std::string& out) {
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

Status Charset::decode(std::string_view bytes, std::string& text) {
  if (!convert(to_utf8_.get(), bytes, text)) {
    return Error{ErrorClass::input, "the body of an event is not text in " + name_};
  }
  return {};
}

Status Charset::encode(std::string_view text, std::string& bytes) {
  if (!convert(from_utf8_.get(), text, bytes)) {
    return Error{ErrorClass::config,
                 "the replacement holds a character that " + name_ + " does not have"};
  }
  return {};
}

}  // namespace fl
