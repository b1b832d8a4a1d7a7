// The output of a stage: one stream, and what is known of its reader (DESIGN 3).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "common/ack/ack_server.h"
#include "common/compress/block_codec.h"
#include "common/io/poll_set.h"
#include "common/io/write_end.h"
#include "common/stream/block_builder.h"
#include "common/stream/container.h"

namespace fl {

class Output {
 public:
  /// What acked() rests on.
  enum class Reader {
    unknown,  ///< nobody has connected; the header may lie untouched
    acking,   ///< a reader acknowledges
    foreign,  ///< a reader that does not: what it has taken is handed on
    file,     ///< a regular file: written and synced counts
    none,     ///< a device or a terminal: written counts
  };
  struct Settings {
    bool ack = true;
    std::int64_t ack_wait_ms = 3000;
    CodecChoice codec = {};
  };

  /// Opens the side connection's socket (pipes and sockets, unless switched off). Errors: also
  /// those of open_compressor().
  static Result<std::unique_ptr<Output>> open(UniqueFd fd, const Settings& settings);

  /// Queues the stream's header; once, before any block.
  void start();
  bool started() const { return started_; }

  /// True while bytes wait to be written: no send() and no change of builder() then.
  bool busy() const { return !pending_.empty(); }
  BlockBuilder& builder() { return builder_; }
  /// Bytes of events in a block that the pipe takes whole; behind a codec as many as pay.
  std::size_t block_limit() const;
  /// Sends what builder() holds.
  void flush_builder();
  /// Sends a block; its memory stays valid and untouched until !busy().
  void send(Block block);

  void watch(PollSet& set);
  /// After poll: writes, accepts readers, reads acks, judges the reader. Errors: class io.
  Status handle(const PollSet& set);
  /// Writes what goes right now.
  Status pump();

  std::uint64_t sent() const { return sent_; }
  std::uint64_t sent_blocks() const { return sent_blocks_; }
  /// With the header, and what still waits to be written.
  std::uint64_t sent_bytes() const { return queued_; }
  /// The first n events of the stream are safe by rule().
  std::uint64_t acked();
  Reader reader() const { return reader_; }
  /// For `at`; empty while the reader is unknown.
  std::optional<std::string_view> rule() const;
  bool enough() const { return server_ && server_->enough(); }
  bool reader_lost() const { return server_ && server_->reader_lost(); }
  bool was_shared() const { return server_ && server_->was_shared(); }
  /// The reader closed before we did.
  bool closed_early() const { return closed_early_; }

  void want(std::uint64_t n);
  /// Closes stdout, saying `end` first if `clean`. A foreign reader gets its time to connect: call
  /// again until closed(). A file is synced. `hurry`: told to stop, so an empty stream waits for no
  /// reader that leaves its header untouched.
  Status close(bool clean, bool hurry);
  bool closed() const { return closed_; }
  /// The stage ends with 0.
  void remove_socket();

 private:
  Output(UniqueFd fd, const Settings& settings);
  void judge();
  void reader_went();
  std::uint64_t handed_on();
  void sync_wanted();
  std::string readable(const Block& block) const;
  bool pack(Block& block);
  void close_now(bool clean);

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
  std::optional<Error> kept_error_;  // told by the next pump()
  bool started_ = false;
  bool closed_ = false;
  bool end_said_ = false;
  bool closed_early_ = false;
  bool was_full_ = false;
  int index_ = -1;
  std::uint64_t written_ = 0;  // bytes
  std::uint64_t queued_ = 0;   // bytes, with those that wait
  std::uint64_t sent_ = 0;     // events
  std::uint64_t sent_blocks_ = 0;
  std::uint64_t safe_ = 0;
  std::uint64_t wanted_ = 0;    // of a file
  std::int64_t taken_ms_ = -1;  // when the header was seen taken
  std::int64_t empty_ms_ = -1;  // since when the pipe is empty, at the end
  struct Mark {
    std::uint64_t bytes;
    std::uint64_t events;
  };
  std::deque<Mark> marks_;  // where blocks end, for a reader that does not acknowledge
};

}  // namespace fl
