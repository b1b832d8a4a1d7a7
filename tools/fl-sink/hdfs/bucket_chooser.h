// Which directory and which names an event belongs to.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl {

class BucketChooser {
 public:
  virtual ~BucketChooser() = default;
  /// One bucket for everything: locate() need not be called again.
  virtual bool is_constant() const = 0;
  virtual bool uses_clock() const = 0;
  /// Finds the bucket of `event`; `now_ms` is used if the clock decides. False: it is the bucket of
  /// the event before. Errors, class input: the event has no place.
  virtual Result<bool> locate(const Event& event, std::int64_t now_ms) = 0;
  /// Of the last located event; the directory is relative to the store's place.
  virtual std::string_view key() const = 0;
  virtual std::string_view directory() const = 0;
  virtual std::string_view prefix() const = 0;
  /// What a user is shown at `now_ms`: locates with all that comes from the event left as it is
  /// written, each %{header}, and times unless the clock decides.
  virtual Status describe(std::int64_t now_ms) = 0;
};

}  // namespace fl
