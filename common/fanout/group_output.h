// Several outputs of a channel that keeps what is not acknowledged: each block goes to one of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "common/fanout/group_sink.h"
#include "common/stage/kept_blocks.h"
#include "common/stage/stage_output.h"

namespace fl {

/// Owns the outputs as a GroupSink, which keeps a copy of each block until the output that got it
/// has acknowledged it, and gives it to another one if that is lost. acked() counts in the order of
/// the blocks, whichever output had them. Events are numbered for one output only, so none gets
/// numbers or positions.
class GroupOutput final : public StageOutput {
 public:
  /// `context` outlives it.
  explicit GroupOutput(const StageContext& context);

  Status open() override;
  void start() override { is_started_ = true; }
  void start_failed(const Failure& failure) override;
  bool started() const override { return is_started_; }

  bool busy() const override { return !is_closed_ && !group_.ready(); }
  BlockBuilder& builder() override { return builder_; }
  std::size_t block_limit() const override { return KeptBlocks::kBlockBytes; }
  void flush_builder() override;
  /// Copies it.
  void send(Block block) override;

  void watch(PollSet& set) override;
  Status handle(const PollSet& set) override { return group_.handle(set); }
  Status pump() override { return {}; }

  std::uint64_t sent() const override { return sent_; }
  std::uint64_t sent_blocks() const override { return sent_blocks_; }
  std::uint64_t sent_bytes() const override { return sent_bytes_; }
  std::uint64_t written_bytes() const override { return sent_bytes_; }
  std::uint64_t acked() override { return group_.safe(); }
  Reader reader() const override { return guarantee() ? Reader::acking : Reader::unknown; }
  std::optional<Guarantee> guarantee() const override { return group_.guarantee(); }
  bool enough() const override { return group_.reader_closed(); }
  bool reader_lost() const override { return false; }
  bool was_shared() const override { return false; }
  bool closed_early() const override { return is_open_ && !group_.has_outputs_left(); }

  void want(std::uint64_t n) override;
  std::uint64_t wanted() const override { return wanted_; }
  void last() override { group_.no_more_comes(); }
  Status close(const StreamEnd& outcome, bool hurry) override;
  void close_silently() override { is_closed_ = true; }
  bool closed() const override { return is_closed_; }
  void remove_socket() override { group_.remove_sockets(); }

 private:
  const StageContext& context_;
  GroupSink group_;
  BlockBuilder builder_;
  bool is_open_ = false;
  bool is_started_ = false;
  bool is_closed_ = false;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_blocks_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t wanted_ = 0;
};

}  // namespace fl
