#include "common/base/error.h"

#include <cerrno>
#include <cstring>

namespace fl {

Error system_error(std::string what, int number) {
  ErrorClass kind = ErrorClass::io;
  if (number == EACCES || number == EPERM) {
    kind = ErrorClass::permission;
  } else if (number == ENOENT || number == ENOTDIR || number == ELOOP) {
    kind = ErrorClass::config;
  }
  return system_error(kind, std::move(what), number);
}

Error system_error(ErrorClass kind, std::string what, int number) {
  char text[128];
  return {kind, std::move(what) + ": " + strerror_r(number, text, sizeof text), {}};
}

}  // namespace fl
