#include "tools/fl-sink/basic_auth.h"

#include <algorithm>

#include "common/base/base64.h"
#include "common/base/log.h"
#include "common/http/posts.h"
#include "tools/fl-sink/https.h"

namespace fl {
namespace {

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

}  // namespace

Result<std::string> basic_authorization(const std::string& user, const Secret& password) {
  if (user.empty() == password.is_set()) {
    return Error{ErrorClass::usage, "give --user and a password, or neither",
                 "--password-file FILE or --password-env NAME"};
  }
  if (user.empty()) {
    return std::string();
  }
  if (user.find(':') != std::string::npos || has_control(user)) {
    return Error{ErrorClass::usage, "--user contains a colon or a control character", {}};
  }
  const Result<std::string> word = password.reveal();
  if (!word) {
    return word.error();
  }
  if (has_control(*word)) {
    return Error{ErrorClass::usage, "the password contains a control character",
                 "a password file holds one line"};
  }
  return "Basic " + base64(user + ":" + *word);
}

void warn_of_readable_password(const std::vector<std::string>& urls) {
  for (const std::string& url : urls) {
    if (!Https::is_url(url) && !is_loopback(HttpPosts::host_of(url))) {
      log(LogLevel::warning, "the password of --user is readable on the way to " +
                                 HttpPosts::shown(url) + ": it is not https");
      return;
    }
  }
}

}  // namespace fl
