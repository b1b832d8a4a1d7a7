// What is logged about events that an interceptor cannot treat: the first one with its reason, the
// others as a number at the end.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/log.h"
#include "common/base/text.h"

namespace fl {

class Complaint {
 public:
  /// `what` continues "N events": "passed unchanged".
  explicit Complaint(std::string what) : what_(std::move(what)) {}
  Complaint(const Complaint&) = delete;
  Complaint& operator=(const Complaint&) = delete;
  ~Complaint() {
    if (count_ > 1) {
      log(LogLevel::warning, count_of(count_, "event") + " " + what_);
    }
  }

  /// Counts one event; `reason` is a message about it.
  void add(const std::string& reason) {
    if (++count_ == 1) {
      log(LogLevel::warning, reason + ": event " + what_ + "; more such events are counted");
    }
  }
  std::uint64_t count() const { return count_; }

 private:
  const std::string what_;
  std::uint64_t count_ = 0;
};

}  // namespace fl
