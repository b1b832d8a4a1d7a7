// The source that fl-channel import-flume runs as a stage.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/component/component.h"
#include "tools/fl-channel/import_flume/replay.h"

namespace fl::flume {

struct ImportOptions {
  std::vector<std::string> directories;
  std::string checkpoint;
  std::uint64_t capacity = 1'000'000;
};

/// Reads a channel's files and changes none. Damage is reported at once and makes the end a failure
/// (class input).
class FlumeSource final : public Source {
 public:
  explicit FlumeSource(ImportOptions options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  Status close() override;
  std::string summary() const override;

 private:
  void complain(std::string text);
  // The next event into event_; false: it is lost.
  Result<bool> read_event(Pointer pointer);
  Result<FileWindow*> window_of(std::uint32_t file);

  const ImportOptions options_;
  EventLimits limits_;
  Rejects* rejects_ = nullptr;
  std::vector<UniqueFd> locks_;
  std::unordered_map<std::uint32_t, std::string> paths_;
  std::optional<Replay> replay_;
  std::vector<Pointer> events_;
  std::size_t next_ = 0;
  Headers headers_;
  std::string event_;                                        // encoded; empty: not read yet
  std::list<std::pair<std::uint32_t, FileWindow>> windows_;  // the one in use first
  std::uint64_t produced_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t complaints_ = 0;
};

}  // namespace fl::flume
