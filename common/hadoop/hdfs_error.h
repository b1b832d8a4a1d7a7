// What a failed request to HDFS means: one class for the exit status, one word for the caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/error.h"

namespace fl {

/// What is wrong. retry_of() says when a new attempt is worthwhile.
enum class HdfsTrouble {
  standby,     ///< this NameNode is not the active one, or does not answer
  wait,        ///< starting, in safe mode, overloaded
  datanode,    ///< a DataNode failed, or none is free
  lease,       ///< another writer holds the file, or ours lost it: take a new name
  token,       ///< the login or its token is not valid any more
  permission,  ///< refused, not authenticated, a certificate that is not trusted
  quota,       ///< the directory's quota is used up
  blocked,     ///< a file or link is where a directory should be
  exists,      ///< the name is taken
  missing,     ///< the path or its parent is gone
  invalid,     ///< the server (or we, before sending) refused a name or an argument
  cancelled,   ///< the cancel flag was set
  local,       ///< our own file could not be read
  other,       ///< a refusal we do not know
};

/// When the same call may succeed.
enum class HdfsRetry {
  soon,    ///< by itself, in seconds or minutes: back off and repeat
  slowly,  ///< when a person has changed something: raise an alarm, repeat every minute or so
  never,
};
HdfsRetry retry_of(HdfsTrouble trouble);

/// An Error (kind is ErrorClass::unavailable exactly when retry() is `soon`) and what it means.
/// Converts to Error, so `return result.error();` works in a function that returns Status.
struct HdfsError : Error {
  HdfsTrouble trouble = HdfsTrouble::other;
  /// The request may have been carried out although no answer came.
  bool outcome_unknown = false;
  /// Another NameNode of the same service may do better.
  bool ask_other_namenode = false;
  /// "IP:port" of the DataNode that failed, port of its HTTP server; else empty.
  std::string datanode = {};
  /// What a waiting caller waits for, without the action and the path, for a status line:
  /// "NameNode http://h:9870: safe mode". Set whenever retry() is not `never`.
  std::string waiting_for = {};

  HdfsRetry retry() const { return retry_of(trouble); }
};

/// Result with an HdfsError.
template <typename T>
class [[nodiscard]] HdfsResult {
 public:
  HdfsResult(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  HdfsResult(HdfsError error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const HdfsError& error() const { return error_; }

 private:
  std::optional<T> value_;
  HdfsError error_;
};

/// Status with an HdfsError.
class [[nodiscard]] HdfsStatus {
 public:
  HdfsStatus() = default;
  HdfsStatus(HdfsError error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const HdfsError& error() const { return *error_; }

 private:
  std::optional<HdfsError> error_;
};

/// What an HTTP answer that is not the expected one means. Decided by the exception's name, then by
/// its text, then by the status code; `body` may be JSON, HTML, empty or cut. `action` is what
/// failed ("cannot create '/x'"), `peer` who answered ("NameNode http://h:9870").
HdfsError classify_reply(std::string_view action, std::string_view peer, long status,
                         std::string_view body);
/// The error of a failure that we found ourselves.
HdfsError hdfs_error(HdfsTrouble trouble, std::string message, std::string hint = {});

/// The first line of a server's text, at most 500 bytes, delegation tokens and cookies as "***".
std::string one_line(std::string_view text);

}  // namespace fl
