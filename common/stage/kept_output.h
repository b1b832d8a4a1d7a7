// An output that outlives its reader: --out unix:PATH.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/io/unix_endpoint.h"
#include "common/stage/kept_blocks.h"
#include "common/stage/output.h"
#include "common/stage/stage_output.h"

namespace fl {

/// Owns the events that no reader has acknowledged (KeptBlocks, with one output), the way to the
/// reader (UnixDialer), and, while there is one, the stream to it (Output): a whole one of its own
/// on each connection, which begins with the first event that is not acknowledged.
///
/// It is away (nobody listens: the dialer says when to try again), connected, or closed. From
/// connected to away and back as often as need be; a reader that closes, is killed, asks for no
/// more or breaks the protocol is only lost, and what it held waits for the next. So reader_lost(),
/// closed_early() and enough() are never true, and a failure of this stage is not reported: the
/// reader may get the rest from another process.
///
/// Between calls: sent() counts what was taken in, whether a reader was there or not; busy() means
/// that --keep is used up. A reader is never taken for one that does not acknowledge (only
/// --ack=off says so): it might be slow, and what it has would be forgotten.
class KeptOutput final : public StageOutput {
 public:
  KeptOutput(std::string path, const OutputSettings& settings);

  Status open() override;
  void start() override { started_ = true; }
  void start_failed(const Failure&) override {}
  bool started() const override { return started_; }

  bool busy() const override { return !closed_ && kept_.is_full(settings_.keep_bytes); }
  BlockBuilder& builder() override { return builder_; }
  std::size_t block_limit() const override;
  void flush_builder() override;
  /// Copies it.
  void send(Block block) override;

  void watch(PollSet& set) override;
  Status handle(const PollSet& set) override;
  Status pump() override;

  std::uint64_t sent() const override { return kept_.events(); }
  std::uint64_t sent_blocks() const override;
  /// Over all connections: more than there is, where something was sent again.
  std::uint64_t sent_bytes() const override;
  std::uint64_t written_bytes() const override;
  std::uint64_t acked() override { return kept_.safe(); }
  Reader reader() const override { return Reader::acking; }
  /// The last reader's, while there is none.
  std::optional<Guarantee> guarantee() const override;
  bool enough() const override { return false; }
  bool reader_lost() const override { return false; }
  bool was_shared() const override { return stream_ && stream_->was_shared(); }
  bool closed_early() const override { return false; }

  void want(std::uint64_t n) override;
  std::uint64_t wanted() const override { return kept_.wanted(); }
  /// Sent again on each connection, from the first event that it gets.
  void number(std::uint64_t n, const std::optional<EventNumber>& number) override;
  void last() override;
  /// Waits until all is acknowledged by a reader that has received the end. With nothing left to
  /// deliver, a stage that was told to stop waits for no reader.
  Status close(const StreamEnd& outcome, bool hurry) override;
  void close_silently() override;
  bool closed() const override { return closed_; }
  void remove_socket() override;

 private:
  bool has_joined() const;
  Status connect();
  void hear();
  void drop_connection(const std::string& why);
  void drop_stream();
  Status fill();
  void say_numbers(std::uint64_t count);
  void ask();
  Status end();
  void say_away();

  const OutputSettings settings_;
  UnixDialer dialer_;
  KeptBlocks kept_{1};
  BlockBuilder builder_;
  std::unique_ptr<Output> stream_;  // none while the reader is away
  bool started_ = false;
  bool ending_ = false;
  bool is_failing_ = false;  // the end is not a whole one
  bool hurry_ = false;
  bool closed_ = false;
  bool was_connected_ = false;
  bool away_said_ = false;
  std::int64_t silent_ms_ = -1;  // until when the reader is to say hello; -1: it has, or we warned
  std::optional<EventNumber> first_number_;  // for a header, as long as nothing was said
  NumberMap numbers_;                        // of what is kept
  std::uint64_t stream_from_ = 0;            // the event that the stream begins with
  std::string at_;                           // the guarantee of the last reader
  std::uint64_t past_blocks_ = 0;            // of connections before
  std::uint64_t past_bytes_ = 0;
  std::uint64_t past_written_ = 0;
};

}  // namespace fl
