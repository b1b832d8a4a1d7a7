// The half of fl-channel kafka that puts events into the topic.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/component/component.h"
#include "common/event/batch.h"
#include "common/kafka/sink.h"
#include "tools/fl-channel/kafka/options.h"

namespace fl {

/// A kafka sink whose acknowledgement is the broker's: the take half may be another process, or
/// missing.
class KafkaPut final : public ChannelPut {
 public:
  explicit KafkaPut(const KafkaChannelOptions& options)
      : options_(options), sink_(put_options(options)) {}

  Traits traits() const override { return {.durable = true, .acks_at_put = true}; }
  std::optional<Guarantee> guarantee() const override { return sink_.guarantee(); }
  Status open(const StageContext& context) override;
  bool ready() const override { return sink_.ready(); }
  Status put(const Block& block) override;
  std::uint64_t safe() const override { return sink_.safe(); }
  Result<bool> input_over() override { return sink_.safe() == put_; }
  void watch(PollSet& set, bool room) override { sink_.watch(set, room); }
  Status handle(const PollSet& set) override { return sink_.handle(set); }
  std::int64_t deadline_ms() const override { return sink_.deadline_ms(); }
  std::optional<Error> missing() const override { return sink_.missing(); }
  std::string status() const override { return sink_.status(); }
  void figures(FigureList& out) const override { sink_.figures(out); }
  Status close() override { return sink_.close(); }

 private:
  const KafkaChannelOptions options_;
  KafkaSink sink_;
  EventLimits limits_;
  Batch batch_;  // of the block that is put
  std::uint64_t put_ = 0;
};

}  // namespace fl
