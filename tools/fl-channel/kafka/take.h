// The half of fl-channel kafka that hands events of the topic out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/component/component.h"
#include "common/kafka/source.h"
#include "common/stream/block_builder.h"
#include "tools/fl-channel/kafka/options.h"

namespace fl {

/// A kafka source, whose events are collected into blocks: one at a time, which is filled when it
/// is asked for. In one process with the other half it ends when that is over and everything was
/// handed out that the topic held then.
class KafkaTake final : public ChannelTake {
 public:
  explicit KafkaTake(const KafkaChannelOptions& options)
      : options_(options), source_(take_options(options)) {}

  Traits traits() const override { return {.replays = true, .drains_on_stop = false}; }
  Status open(const StageContext& context) override;
  void watch(PollSet& set, bool room) override { source_.watch(set, room); }
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override { return failed_ ? 1 : source_.deadline_ms(); }
  Block* front() override;
  void pop() override;
  bool over() const override { return has_ended_ && builder_.empty() && !failed_; }
  void put_over() override { source_.finish(); }
  Status acked(std::uint64_t n) override { return source_.acked(n); }
  void stop() override { source_.stop(); }
  std::optional<Error> missing() const override { return source_.missing(); }
  std::string status() const override { return source_.status(); }
  void figures(FigureList& out) const override { source_.figures(out); }
  Status close() override { return source_.close(); }

 private:
  const KafkaChannelOptions options_;
  KafkaSource source_;
  BlockBuilder builder_;
  Block block_;
  bool has_ended_ = false;
  std::optional<Error> failed_;  // for handle() to report
};

}  // namespace fl
