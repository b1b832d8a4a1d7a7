// Dead letters: events that a sink's destination will never take (--reject).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/stage/component.h"
#include "common/stream/block_builder.h"
#include "common/stream/container.h"

namespace fl {

/// A file of streams that can be fed in again: each event as it was, with the header
/// `fl.reject.reason` and the name of the stage as `fl.reject.stage`. A run appends a stream of its
/// own when the first event is rejected.
class RejectFile final : public Rejects {
 public:
  static constexpr std::string_view kReason = "fl.reject.reason";
  static constexpr std::string_view kStage = "fl.reject.stage";

  /// `stage` as in messages. Without open() every event is refused.
  explicit RejectFile(std::string stage) : stage_(std::move(stage)) {}

  /// Opens or makes the file and locks it (class again: another stage has it). What a killed run
  /// left half written at its end is cut off: it was never acknowledged. Class create: it holds
  /// something else; class usage: it is one of `inputs` ("-": stdin), which would never end.
  Status open(const std::string& path, const std::vector<std::string>& inputs);

  Status reject(const Event& event, const Error& why) override;
  /// What was rejected is on disk after success. Cheap when there is nothing new.
  Status sync();

  std::uint64_t count() const { return count_; }
  const std::string& path() const { return path_; }

 private:
  Status find_end();
  Status append(std::string_view bytes);

  const std::string stage_;
  std::string path_;
  UniqueFd fd_;
  std::uint64_t end_ = 0;  // bytes that are whole
  Marker marker_{};
  BlockBuilder builder_;
  std::string encoded_;
  std::uint64_t count_ = 0;
  bool started_ = false;
  bool unsynced_ = false;
  std::optional<Error> sync_error_;
};

}  // namespace fl
