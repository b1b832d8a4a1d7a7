#include "common/base/error.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "common/base/start.h"

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

namespace {

// Callers that know more replace it.
const char* hint_for(int number) {
  switch (number) {
    case EMFILE:
      return "raise the limit of open files (ulimit -n)";
    case EFBIG:
      return "raise the limit of file sizes (ulimit -f)";
    case ENOENT:
      return "check the spelling; a relative path starts in the current directory";
    case ENOTDIR:
      return "a directory is expected, and a part of the path is a file";
    case EISDIR:
      return "a file is expected, and this is a directory";
    case EACCES:
      return "'namei -l PATH' shows which part of a path is closed to this user";
    case EROFS:
      return "the file system is mounted read-only: use another one";
    case ENOSPC:
    case EDQUOT:
      return "make room, or use another file system ('df PATH' shows what is left)";
    case EADDRINUSE:
      return "another program has the port; choose another one ('ss -ltnp' shows who)";
    default:
      return "";
  }
}

}  // namespace

Error system_error(ErrorClass kind, std::string what, int number) {
  char text[128];
  return {kind, std::move(what) + ": " + strerror_r(number, text, sizeof text), hint_for(number)};
}

Error error_of(const std::exception& exception) {
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return {ErrorClass::unavailable, "out of memory",
            "allow more memory (ulimit -v), or choose smaller limits"};
  }
  if (const auto* const system = dynamic_cast<const std::system_error*>(&exception)) {
    if (is_limit(system->code().value())) {  // thrown where a std::thread is made
      return refused_start(ErrorClass::unavailable, "cannot start a thread",
                           system->code().value());
    }
    return {ErrorClass::unavailable,
            std::string("the system refused a resource: ") + exception.what(),
            "'ulimit -a' shows the limits"};
  }
  return {ErrorClass::bug, std::string("unexpected failure: ") + exception.what(), {}};
}

}  // namespace fl
