// When to retry what a peer did not take, and how people learn of it: troubles that pass by
// themselves, and those that a person has to fix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// How long a failure may last.
struct RetryLimits {
  std::int64_t grace_ms = 10'000;  ///< once nothing more comes in
  std::int64_t give_up_ms = 0;     ///< at any time; 0: never
  std::int64_t tries = 0;          ///< at any time; 0: no limit
  std::int64_t pause_ms = 60'000;  ///< the longest
  std::int64_t ended_ms = -1;      ///< since when nothing more comes in (monotonic); -1: it does
  /// For how long it is tried, for Alarm::raise(): "for 10s", "until it works".
  std::string until_text() const;
};

/// Why a try failed.
struct Trouble {
  Error error = {};
  /// A person has to act (quota, permission, a request that is refused): it does not pass by
  /// itself.
  bool needs_person = false;
  std::string waiting_for = {};  ///< the error in a few words, for the status line; may be empty
};

/// The tries of one thing. Times are monotonic milliseconds.
class Retry {
 public:
  /// A try failed at `now`: the next one comes after a jittered pause that grows, up to 10 s when a
  /// server is away and up to limits.pause_ms when a person has to act.
  void failed(std::int64_t now, bool needs_person, const RetryLimits& limits);
  /// The server asked for no try before `at`. The last one, when time is over, comes all the same.
  void not_before(std::int64_t at);
  /// A try went well.
  void succeeded() { *this = {}; }
  /// There is no next one.
  bool is_over(std::int64_t now, const RetryLimits& limits) const;
  /// The same after a full disk: soon, and without an end.
  void disk_full(std::int64_t now, std::int64_t pause_ms);
  /// A server that was away answers again.
  void hurry(std::int64_t now);
  bool is_failing() const { return failures_ != 0; }
  bool needs_person() const { return needs_person_; }
  std::int64_t since_ms() const { return first_ms_; }
  /// For the end of a message: " (tried for 10s)".
  std::string tried_for(std::int64_t now) const;
  /// When the last try is due at the latest; INT64_MAX: never.
  std::int64_t give_up_at(const RetryLimits& limits) const;
  /// When the next try is due.
  std::int64_t due_at(const RetryLimits& limits) const;

 private:
  std::int64_t first_ms_ = 0;
  std::int64_t next_ms_ = 0;
  int failures_ = 0;
  std::int64_t tries_ = 0;
  bool needs_person_ = false;
};

/// What is waiting and why: reported once, then at intervals that grow from a minute to an hour,
/// and in the status line. One for each kind of trouble.
class Alarm {
 public:
  /// `continues`: the message at its end, before "after 3m".
  explicit Alarm(std::string_view continues) : continues_(continues) {}
  /// A try failed; `waiting` says what waits ("2 files, 300 events"), `until` for how long it is
  /// tried. Writes a log line if it is time for one: level error when a person has to act.
  void raise(std::int64_t now, const Trouble& trouble, std::string_view waiting,
             std::string_view until);
  /// Nothing waits any more; logs that if raise() logged something.
  void clear(std::int64_t now);
  bool is_raised() const { return is_raised_; }
  /// For the status line: "for 3m: REASON"; empty: nothing is wrong.
  std::string text(std::int64_t now) const;

 private:
  std::string_view continues_;
  bool is_raised_ = false;
  std::int64_t since_ms_ = 0;
  std::int64_t next_ms_ = 0;
  std::int64_t pause_ms_ = 0;
  std::int64_t said_ms_ = 0;
  std::string reason_;
  ErrorClass class_ = ErrorClass::unavailable;
};

/// The alarm of a component that delivers to one server: it is away, or a person has to act; one at
/// a time.
class DeliveryAlarm {
 public:
  /// As Alarm::raise(); ends the alarm of the other kind.
  void raise(std::int64_t now, const Trouble& trouble, std::string_view waiting,
             std::string_view until);
  /// Everything works again.
  void clear(std::int64_t now);
  bool is_raised(bool needs_person) const { return (needs_person ? refused_ : away_).is_raised(); }
  /// For the status line: "waiting for 3m: REASON"; empty: nothing is wrong.
  std::string status(std::int64_t now) const;
  /// For the figures: "refused" (a person has to act), "unavailable"; empty: nothing is wrong.
  std::string_view name() const;

 private:
  Alarm away_{"sending continues"};
  Alarm refused_{"sending continues"};
};

}  // namespace fl
