// What a failed request to HDFS means: one class for the exit status, one word for the caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/error.h"

namespace fl {

enum class HdfsTrouble {
  retry,    ///< not there, starting, overloaded, in safe mode, broken connection: try again later
  exists,   ///< the name is taken
  missing,  ///< the path, its parent or the open file is gone
  permission,  ///< refused or not authenticated
  quota,       ///< the directory's quota is used up
  invalid,     ///< the server (or we, before sending) refused a name or an argument
  cancelled,   ///< the cancel flag was set
  local,       ///< our own file could not be read
  other,       ///< anything else; not worth a quick retry
};

/// An Error (kind: retry is always ErrorClass::unavailable and nothing else is) and what it means.
/// Converts to Error, so `return result.error();` works in a function that returns Status.
struct HdfsError : Error {
  HdfsTrouble trouble = HdfsTrouble::other;
  /// The request may have been carried out although no answer came.
  bool outcome_unknown = false;
  /// Another NameNode of the same service may do better.
  bool ask_other_namenode = false;
  /// IP address of the DataNode that failed, for Upload::exclude_datanodes; else empty.
  std::string datanode = {};
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
/// failed ("cannot create '/x'"), `peer` who answered ("namenode http://h:9870").
HdfsError classify_reply(std::string_view action, std::string_view peer, long status,
                         std::string_view body);

/// The first line of a server's text, at most 500 bytes, delegation tokens as "***".
std::string one_line(std::string_view text);

}  // namespace fl
