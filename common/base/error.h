// Errors are values: a class that decides retry and exit status, and a text for the user.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace fl {

/// What kind of failure it is. The number is the exit status (sysexits(3)).
enum class ErrorClass {
  usage = 64,        ///< the command line is wrong
  input = 65,        ///< damaged or rejected input
  unavailable = 69,  ///< a peer is not there now; the only class that is worth a retry
  bug = 70,          ///< a fault of this program
  create = 73,       ///< cannot create a file or directory
  io = 74,           ///< an operating system call failed, a quota is full
  again = 75,        ///< stopped with unacknowledged events: run again
  permission = 77,   ///< permission or authentication
  config = 78,       ///< configuration
};

/// Message form: "cannot open '/x/y': No such file or directory": lower case, no full stop, the
/// failed action first, the system's reason last. The hint says what to do; it is printed on its
/// own line.
struct Error {
  ErrorClass kind = ErrorClass::bug;
  std::string message;
  std::string hint = {};
};

/// "`what`: <strerror(number)>" with the class and the hint that fit the errno (EACCES: permission,
/// ...).
Error system_error(std::string what, int number);
/// The same with a class of the caller's choice.
Error system_error(ErrorClass kind, std::string what, int number);

/// What the standard library throws for lack of memory or threads (class unavailable); any other
/// exception is a bug.
Error error_of(const std::exception& exception);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

/// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace fl
