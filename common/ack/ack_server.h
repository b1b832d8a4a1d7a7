// The writer's end of the side connection: what the readers of our stream say (fl-ack(7)).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/event_number.h"
#include "common/ack/failure.h"
#include "common/ack/guarantee.h"
#include "common/ack/line_socket.h"
#include "common/ack/position.h"
#include "common/ack/socket_place.h"
#include "common/io/poll_set.h"

namespace fl {

/// Owns the listening socket of one stream, the connection of its reader, and connections of guests
/// that have not proved themselves. A guest says hello with the stream's id in time or is dropped;
/// the first that does becomes the reader, forever; later ones get `busy`. So strangers can neither
/// acknowledge nor keep the true reader out.
///
/// Between calls acked() never falls and never exceeds what was written; the newest want and the
/// last word are kept and sent to readers that connect later. The file of the socket outlives a
/// stage that fails: a socket that refuses means failure, a missing one success.
class AckServer {
 public:
  static Result<std::unique_ptr<AckServer>> open();

  const std::string& stream_id() const { return id_; }
  const std::string& path() const { return socket_.path; }

  void watch(PollSet& set);
  /// Accepts and reads after set.wait(). `written`: events of the stream written so far; an ack for
  /// more ends that connection.
  void handle(const PollSet& set, std::uint64_t written);

  /// A connection not accepted for lack of descriptors is tried again by the next handle().
  void try_again_now() { accept_at_ms_ = accept_at_ms_ < 0 ? -1 : 0; }

  /// Some reader has proved that it reads this stream (it may have gone since).
  bool had_reader() const { return had_reader_; }
  /// The acknowledging reader is connected.
  bool has_reader() const { return reader_ && reader_->is_open(); }
  bool reader_lost() const { return had_reader_ && !has_reader(); }
  /// A second reader came: chance decided which of them acknowledges.
  bool was_shared() const { return shared_; }

  std::uint64_t acked() const { return acked_; }
  /// What its acknowledgements mean, as it reports; nothing: not reported yet.
  std::optional<Guarantee> guarantee() const {
    return at_ ? std::optional(parse_guarantee(*at_)) : std::nullopt;
  }
  bool enough() const { return enough_; }
  /// The reader keeps positions, and these are the newest it has. Final once guarantee() is known;
  /// nothing: it keeps none, and position() is not to be called.
  const std::optional<std::vector<Position>>& kept_positions() const { return kept_; }
  std::uint64_t protocol_errors() const { return protocol_errors_; }

  void want(std::uint64_t n);
  /// The position of a source after the first n events. Call it before they are written, so that
  /// the reader of the last of them gets it at once.
  void position(std::uint64_t n, const Position& position);
  /// The event n and those after it have these numbers in a log. Call it before they are written; a
  /// reader that connects later gets it first. The caller bounds what waits for that.
  void number(std::uint64_t n, const std::optional<EventNumber>& number);
  /// The reader does not have what number() sends yet.
  bool has_unsent_numbers() const;
  /// Nobody has received them: from now on no number is sent, as none is known for sure.
  void give_up_numbers();
  /// All n events are written and no more come; how the stream ends is sent once they are safe.
  void last(std::uint64_t n);
  void end(std::uint64_t n);
  /// Instead of end(): the stage ends with a status other than 0.
  void fail(const Failure& failure);
  /// end() or fail() was called, and every connected reader has it, or has gone.
  bool last_word_sent() const;
  /// Nobody can connect any more; the file stays, so that a reader that finds it knows of the
  /// failure.
  void refuse() { socket_.fd.reset(); }
  /// Removes the socket's file: only a stage that ends with 0 does.
  void remove();

 private:
  struct Guest {  // connected, not (yet) the reader
    LineSocket socket;
    std::int64_t deadline_ms;
    bool greeted = false;
    int index = -1;
  };
  struct LastWord {
    std::string_view word;
    std::string rest;
  };
  struct Heard {          // from a guest
    bool proved = false;  // just now
    bool keep = true;
    std::string rest;  // lines after the hello
  };
  void hear_reader(const PollSet& set, std::uint64_t written);
  void hear_guests(const PollSet& set, std::uint64_t written);
  Heard hear_guest(Guest& guest, const std::string& hello);
  void become_reader(Guest& guest, const Heard& heard, std::uint64_t written);
  void tell_busy(Guest& guest);
  void say_last_word(LastWord last);
  void accept_all();
  bool make_room();
  static bool has_said_nothing(const Guest& guest);
  void reader_line(std::string_view line, std::uint64_t written);
  bool keep_position(std::string_view text);
  void break_off();

  std::string id_;
  ListeningSocket socket_;
  int listen_index_ = -1;
  std::int64_t accept_again_ms_ = 0;  // the last wait for a descriptor
  std::int64_t accept_at_ms_ = -1;    // instead of when the socket is readable
  int reader_index_ = -1;
  std::unique_ptr<LineSocket> reader_;
  std::vector<Guest> guests_;
  std::uint64_t acked_ = 0;
  std::optional<std::string> at_;
  std::optional<std::vector<Position>> kept_;
  std::size_t kept_bytes_ = 0;
  std::vector<std::string> numbers_;  // for readers that connect
  bool has_numbers_ = true;
  bool numbers_wait_ = false;
  std::optional<std::uint64_t> want_;
  std::optional<std::uint64_t> last_;
  std::optional<LastWord> last_word_;
  std::uint64_t protocol_errors_ = 0;
  bool had_reader_ = false;
  bool shared_ = false;
  bool enough_ = false;
};

}  // namespace fl
