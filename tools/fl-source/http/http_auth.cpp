#include "tools/fl-source/http/http_auth.h"

#include <strings.h>

#include <algorithm>
#include <cstdint>

#include "common/base/base64.h"

namespace fl {
namespace {

// Looks at every byte that was given, whatever the first ones are.
bool is_equal(std::string_view secret, std::string_view given) {
  unsigned difference = secret.size() == given.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char expected = secret[i % secret.size()];
    difference |= static_cast<unsigned>(static_cast<unsigned char>(expected ^ given[i]));
  }
  return difference == 0;
}

// What follows the word, if the header begins with it.
std::optional<std::string_view> after(std::string_view header, std::string_view word) {
  if (header.size() <= word.size() || header[word.size()] != ' ' ||
      ::strncasecmp(header.data(), word.data(), word.size()) != 0) {
    return std::nullopt;
  }
  header.remove_prefix(word.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

Result<std::string> revealed(const Secret& secret, const char* option) {
  Result<std::string> text = secret.reveal();
  if (text && text->empty()) {
    return Error{ErrorClass::config, std::string(option) + ": the secret is empty", {}};
  }
  return text;
}

}  // namespace

Status HttpAuth::open(const std::string& user, const Secret& password, const Secret& token) {
  if (user.empty() == password.is_set()) {
    return Error{ErrorClass::config, "give --user and a password, or neither",
                 "--password-file FILE or --password-env NAME"};
  }
  if (user.find(':') != std::string::npos) {
    return Error{ErrorClass::config, "--user contains a ':'", {}};
  }
  if (password.is_set()) {
    Result<std::string> text = revealed(password, "--password");
    if (!text) {
      return text.error();
    }
    basic_ = base64(user + ":" + *text);
  }
  if (token.is_set()) {
    Result<std::string> text = revealed(token, "--token");
    if (!text) {
      return text.error();
    }
    bearer_ = std::move(*text);
  }
  return {};
}

bool HttpAuth::accepts(std::optional<std::string_view> header) const {
  if (!is_on()) {
    return true;
  }
  if (!header) {
    return false;
  }
  if (const auto given = after(*header, "Basic"); given && basic_) {
    return is_equal(*basic_, *given);
  }
  if (const auto given = after(*header, "Bearer"); given && bearer_) {
    return is_equal(*bearer_, *given);
  }
  return false;
}

}  // namespace fl
