// sasl.jaas.config: "org.apache.kafka...PlainLoginModule required username="u" password="p";"
#include <fmt/format.h>

#include "common/kafka/settings.h"

namespace fl {
namespace {

Error unreadable(std::string_view what) {
  return {ErrorClass::config, fmt::format("sasl.jaas.config: {}", what),
          "it is MODULE required name=\"value\" name=\"value\";"};
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  /// A bare word, a quoted one, '=' or ';'; empty at the end.
  Result<std::string> next() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string::npos) {
      ++at_;
    }
    is_quoted_ = false;
    if (at_ == text_.size()) {
      return std::string();
    }
    const char first = text_[at_];
    if (first == '=' || first == ';') {
      ++at_;
      return std::string(1, first);
    }
    if (first == '"' || first == '\'') {
      return quoted(first);
    }
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_of(" \t\r\n=;", at_), text_.size());
    return std::string(text_.substr(begin, at_ - begin));
  }
  /// The word read last was in quotes, so it may be empty or read ";".
  bool is_quoted() const { return is_quoted_; }

 private:
  Result<std::string> quoted(char quote) {
    is_quoted_ = true;
    std::string word;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote) {
        ++at_;
        return word;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
      }
      word += text_[at_];
    }
    return unreadable("a quotation is not closed");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_quoted_ = false;
};

}  // namespace

Result<std::map<std::string, std::string>> kafka_login(std::string_view jaas) {
  Reader reader(jaas);
  const Result<std::string> module = reader.next();
  if (!module) {
    return module.error();
  }
  const std::string name = module->substr(module->rfind('.') + 1);
  const bool is_kerberos = name == "Krb5LoginModule";
  if (!is_kerberos && name != "PlainLoginModule" && name != "ScramLoginModule") {
    return unreadable(fmt::format("the login module '{}' is not known here", name));
  }
  if (const Result<std::string> flag = reader.next(); !flag || *flag != "required") {
    return flag ? unreadable("'required' must follow the module") : flag.error();
  }
  std::map<std::string, std::string> out;
  for (;;) {
    const Result<std::string> key = reader.next();
    if (!key) {
      return key.error();
    }
    if (!reader.is_quoted() && *key == ";") {
      break;
    }
    if (key->empty()) {
      return unreadable("there is no ; at its end");
    }
    if (const Result<std::string> equals = reader.next(); !equals || *equals != "=") {
      return unreadable(fmt::format("no value follows '{}'", *key));
    }
    const Result<std::string> value = reader.next();
    if (!value) {
      return value.error();
    }
    if (value->empty() && !reader.is_quoted()) {
      return unreadable(fmt::format("no value follows '{}'", *key));
    }
    if (*key == (is_kerberos ? "principal" : "username")) {
      out[is_kerberos ? "sasl.kerberos.principal" : "sasl.username"] = *value;
    } else if (*key == (is_kerberos ? "keyTab" : "password")) {
      out[is_kerberos ? "sasl.kerberos.keytab" : "sasl.password"] = *value;
    }
  }
  if (!is_kerberos && out.size() != 2) {
    return unreadable("username or password is missing");
  }
  return out;
}

}  // namespace fl
