// The output of a stage: one stream, and what is known of its reader.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/ack_server.h"
#include "common/compress/block_codec.h"
#include "common/io/poll_set.h"
#include "common/io/worker.h"
#include "common/io/write_end.h"
#include "common/stage/stage_output.h"
#include "common/stream/block_builder.h"
#include "common/stream/container.h"

namespace fl {

/// Owns the writing end, the socket of the side connection, and the one block that is being
/// written. The stream is not started, started, closing (the last word is said) or closed; besides
/// that, what is known of the reader changes once, from unknown to one of the others, and from
/// foreign to acking if it connects late.
///
/// Between calls: busy() means that pending_ views memory which somebody lent; acked() never falls
/// and never exceeds sent(); an error is reported once by pump() and then stays the stage's. It
/// writes as much as goes and never waits: a reader that is slow must not delay signals or
/// acknowledgements.
class Output final : public StageOutput {
 public:
  using Settings = OutputSettings;

  /// Takes the descriptor. open() comes next; until it has succeeded only start_failed() and
  /// close() may follow.
  Output(UniqueFd fd, const Settings& settings);
  /// Opens the side connection's socket (pipes and sockets, unless switched off). Errors: also
  /// those of open_compressor().
  Status open() override;

  /// Queues the stream's header; once, before any block.
  void start() override;
  /// Instead of start(): a header that says why there is no stream. Its socket refuses.
  void start_failed(const Failure& failure) override;
  bool started() const override { return started_; }

  /// True while bytes wait to be written: no send() and no change of builder() then.
  bool busy() const override { return !pending_.empty(); }
  BlockBuilder& builder() override { return builder_; }
  /// Bytes of events in a block that the pipe takes whole; with a codec as many as pay.
  std::size_t block_limit() const override;
  /// Sends what builder() holds.
  void flush_builder() override;
  /// Sends a block; its memory stays valid and untouched until !busy().
  void send(Block block) override;

  void watch(PollSet& set) override;
  /// After poll: writes, accepts readers, reads acks, judges the reader. Errors: class io.
  Status handle(const PollSet& set) override;
  /// Writes what goes right now.
  Status pump() override;

  std::uint64_t sent() const override { return sent_; }
  std::uint64_t sent_blocks() const override { return sent_blocks_; }
  /// With the header, and what still waits to be written.
  std::uint64_t sent_bytes() const override { return queued_; }
  std::uint64_t written_bytes() const override { return written_; }
  /// The first n events of the stream are safe by guarantee().
  std::uint64_t acked() override;
  Reader reader() const override { return reader_; }
  /// For `at`; empty while the reader is unknown.
  std::optional<Guarantee> guarantee() const override;
  bool enough() const override { return server_ && server_->enough(); }
  bool reader_lost() const override { return server_ && server_->reader_lost(); }
  bool was_shared() const override { return server_ && server_->was_shared(); }
  /// The reader closed before we did.
  bool closed_early() const override { return closed_early_; }

  void want(std::uint64_t n) override;
  std::uint64_t wanted() const override { return wanted_; }
  /// The positions that the reader keeps; nothing: it keeps none. Final once guarantee() is known.
  std::optional<std::vector<Position>> kept_positions() const override {
    return server_ ? server_->kept_positions() : std::nullopt;
  }
  /// The position of a source after the first n events. Call it before they are sent.
  void position(std::uint64_t n, const Position& position) override {
    if (server_) {
      server_->position(n, position);
    }
  }
  /// Nothing more is written until the reader has it, or turns out to be one that does not listen.
  void number(std::uint64_t n, const std::optional<EventNumber>& number) override;
  /// No event comes after those sent; close() says how the stream ends.
  void last() override {
    if (server_) {
      server_->last(sent_);
    }
  }
  /// Closes stdout, saying `end` or `fail` first. Call again until closed(): a foreign reader gets
  /// its time to connect, and a failure waits until it was received or the reader has closed, at
  /// most for --ack-wait. A file is synced. `hurry`: told to stop, so an empty stream waits for no
  /// reader that leaves its header untouched, and a failure for none.
  Status close(const StreamEnd& outcome, bool hurry) override;
  /// Closes stdout without `end` or `fail`.
  void close_silently() override { close_now(); }
  bool closed() const override { return closed_; }
  void tell_late_readers() override;
  /// The stage ends with 0.
  void remove_socket() override;

 private:
  void write_header(Metadata more);
  void hear_now();
  std::int64_t next_look_ms();
  void check_reader();
  void reader_went();
  bool holds_back() const;
  std::uint64_t handed_on();
  void sync_wanted();
  void start_sync();
  void take_synced(const Status& result);
  std::string readable(const Block& block) const;
  bool pack(Block& block);
  Status close_whole(bool hurry);
  void close_failed(const Failure& failure, bool hurry);
  void say_end();
  void close_now();

  Settings settings_;
  WriteEnd end_;
  std::unique_ptr<AckServer> server_;
  Reader reader_ = Reader::unknown;
  Marker marker_;
  BlockBuilder builder_;
  std::unique_ptr<BlockCompressor> compressor_;  // none for codec null
  GapBuffer packed_{Block::kBefore, Block::kAfter};
  std::string header_;
  std::string text_;  // what a terminal gets
  std::string_view pending_;
  bool pending_is_builder_ = false;
  std::size_t builder_limit_pending_ = 0;
  std::optional<EventNumber> number_;  // of the event number_at_, as sent last
  std::uint64_t number_at_ = 0;
  bool has_numbers_ = false;         // some were sent
  std::optional<Error> kept_error_;  // reported by the next pump()
  bool started_ = false;
  bool closed_ = false;
  bool last_word_said_ = false;
  bool told_in_header_ = false;
  bool said_failure_ = false;
  bool closed_early_ = false;
  bool was_full_ = false;
  int index_ = -1;
  std::uint64_t written_ = 0;  // bytes
  std::uint64_t queued_ = 0;   // bytes, with those that wait
  std::uint64_t sent_ = 0;     // events
  std::uint64_t sent_blocks_ = 0;
  std::uint64_t safe_ = 0;
  std::uint64_t wanted_ = 0;
  std::uint64_t syncing_ = 0;        // a file: events and bytes that the sync is about
  std::uint64_t syncing_bytes_ = 0;  // the same
  std::uint64_t synced_bytes_ = 0;
  std::int64_t taken_ms_ = -1;       // when the header was seen taken
  std::int64_t empty_ms_ = -1;       // at the end: since when the pipe is seen empty
  bool was_untaken_ = false;         // when it was looked at last
  std::int64_t look_ms_ = 0;         // until the next look at a reader that says nothing
  std::size_t looked_unread_ = 0;    // what it had left then
  std::int64_t tell_until_ms_ = -1;  // a failure that no reader has received yet
  struct Mark {
    std::uint64_t bytes;
    std::uint64_t events;
  };
  std::deque<Mark> marks_;  // where blocks end, for a reader that does not acknowledge
  Worker syncer_;           // the last member: it ends before the descriptor is closed
};

}  // namespace fl
