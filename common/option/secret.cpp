#include "common/option/secret.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "common/base/small_file.h"
#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr std::size_t kLargestFile = 64 << 10;

Result<std::string> read_secret(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return system_error(fmt::format("cannot open '{}'", path), errno);
  }
  Result<std::string> text = read_small_file(file.get(), path, kLargestFile);
  if (!text) {
    return text;
  }
  if (text->size() > kLargestFile) {
    return Error{ErrorClass::config, fmt::format("'{}' is too large for a secret", path),
                 fmt::format("at most {} bytes are read", kLargestFile)};
  }
  if (text->ends_with('\n')) {
    text->pop_back();
  }
  if (text->ends_with('\r')) {
    text->pop_back();
  }
  return text;
}

}  // namespace

std::string Secret::reference() const {
  return origin_ == Origin::environment || origin_ == Origin::file ? text_ : std::string();
}

Result<std::string> Secret::reveal() const {
  if (origin_ == Origin::file) {
    return read_secret(text_);
  }
  if (origin_ != Origin::environment) {
    return text_;
  }
  const char* value = std::getenv(text_.c_str());
  if (value == nullptr) {
    return Error{ErrorClass::config, fmt::format("environment variable '{}' is not set", text_),
                 "export it before the stage starts"};
  }
  return std::string(value);
}

bool sounds_secret(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kWords[] = {"password",   "passwd", "passphrase",   "secret", "token",
                                         "credential", "jaas",   "keystore.key", "key.pem"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace fl
