// Where files are gathered and committed: a local directory or HDFS, behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// How a step on a part ended.
struct Outcome {
  enum class Kind {
    done,
    disk_full,  ///< no room on a local disk: nothing is lost, the same call later goes on
    refused,    ///< a person has to act (quota, permission): nothing is lost, the same call later
                ///< may succeed
    failed,     ///< class unavailable: the same call later may succeed; else it never will
  };
  Kind kind = Kind::done;
  Error error = {};
  std::string waiting_for = {};  ///< the error in a few words, for the status line; may be empty

  static Outcome full(Error why) { return {Kind::disk_full, std::move(why), {}}; }
  static Outcome refuse(Error why) { return {Kind::refused, std::move(why), {}}; }
  static Outcome fail(Error why) { return {Kind::failed, std::move(why), {}}; }
};

/// The names of one bucket: `<directory>/<prefix>.<counter><suffix>`.
struct FileNames {
  std::string directory;  ///< relative to the store's place
  std::string prefix;
  std::string suffix;

  std::string final_name(std::uint64_t counter) const {
    return prefix + "." + std::to_string(counter) + suffix;
  }
};

/// `_<final>.<64 random bits in hex>.tmp`: hidden from readers, never the same twice.
std::string temporary_name(std::string_view final_name);
/// True for names of that form.
bool is_temporary_name(std::string_view name);
/// What temporary_name() adds to a final name.
constexpr std::size_t kTemporaryExtra = 1 + 1 + 16 + 4;
/// '.' and the largest counter.
constexpr std::size_t kCounterExtra = 1 + 20;

/// One file in the making. Calls come one at a time, from any thread. Nothing of it is visible
/// under a final name before commit() returned done.
class Part {
 public:
  virtual ~Part() = default;
  /// Moves bytes from the front of `buffer` to where the part is gathered; on disk_full what is
  /// left in `buffer` is what was not taken.
  virtual Outcome write(std::string& buffer) = 0;
  /// Takes the rest, then makes the file durable under the first free final name with a counter of
  /// at least `counter`, which is then the one used. On disk_full, refused and unavailable the
  /// same call goes on where it stopped.
  virtual Outcome commit(std::string& rest, std::uint64_t& counter) = 0;
  /// Removes what was gathered, if not committed.
  virtual void discard() = 0;
};

/// Three octal digits ("640") as a mode; nullopt: anything else.
std::optional<unsigned> parse_mode(std::string_view text);

class Store {
 public:
  virtual ~Store() = default;
  /// Resolves and authenticates; makes the store's own place unless `dry_run`. Waits for a server
  /// that is away, as long as its settings say; cancel() from another thread ends that.
  virtual Status open(bool dry_run) = 0;
  /// open() may take long: call it where that does no harm.
  virtual bool is_remote() const { return false; }
  /// What an ack means.
  virtual std::string_view rule() const = 0;
  /// The store for people, for example "hdfs at http://nn:9870 as eva".
  virtual std::string place() const = 0;
  /// The directory that buckets are below, after open().
  virtual std::string base() const = 0;
  /// A new part; nothing is created before its first write() or commit(). `names` outlives it;
  /// `counter` goes into the temporary name only.
  virtual std::unique_ptr<Part> part(const FileNames& names, std::uint64_t counter) = 0;
  /// Removes own temporaries older than `age_ms` that nobody holds from a bucket's directory.
  virtual void sweep(const std::string& directory, std::int64_t age_ms) = 0;
  /// False: what is gathered has reached its limit; commits make room.
  virtual bool has_room() const { return true; }
  /// True when a commit frees room on the disk that parts are gathered on.
  virtual bool commit_frees_room() const { return false; }
  /// Ends requests that run in other threads, and refuses new ones.
  virtual void cancel() {}
  /// Gives back what a server keeps for us, when no part is left; waits a few seconds at most.
  virtual void log_out() {}
};

}  // namespace fl
