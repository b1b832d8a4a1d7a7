// Reads rows on a thread of its own: the library blocks, and rows are turned into events while the
// stage writes those before them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/event/event.h"
#include "common/net/retry.h"
#include "tools/fl-source/sql/avro_row.h"
#include "tools/fl-source/sql/connection.h"
#include "tools/fl-source/sql/plan.h"

namespace fl {

/// Encoded events, about a block of them, and what belongs to each.
struct SqlChunk {
  std::string bytes;
  std::vector<std::uint32_t> sizes;  ///< of the events, one after the other in `bytes`
  std::vector<SqlPlace> places;      ///< of the rows, if they have a key
  /// A row after them that cannot be an event: what is kept of it, encoded, and why.
  struct Refused {
    std::string event;
    Error why;
    SqlPlace place;
  };
  std::optional<Refused> refused;

  void clear();
};

/// A mailbox of at most kChunks chunks under one mutex, and an eventfd that says that there is
/// something: a chunk, the end, an error, or a server that went away or came back.
///
/// A lost connection is made again. If rows have a key, it continues after the last row that was
/// put into the mailbox; if not, only where none was, and otherwise it ends with class again.
class SqlReader {
 public:
  static constexpr std::size_t kChunks = 4;
  static constexpr std::size_t kChunkBytes = 60 << 10;

  /// `after`: the last row that was delivered, by the columns `key`; empty: none, or it is not
  /// known which columns these are. `options` outlives this. `give_up_ms`: for messages.
  SqlReader(const SqlSourceOptions& options, SqlAddress address, const EventLimits& limits,
            std::vector<std::string> after, std::vector<std::string> key, std::int64_t give_up_ms);
  ~SqlReader();
  SqlReader(const SqlReader&) = delete;
  SqlReader& operator=(const SqlReader&) = delete;

  Status start();
  /// Ends the thread, whatever it waits for.
  void stop();
  int fd() const { return event_.get(); }
  /// Drains the eventfd.
  void hear();

  /// The next chunk, in place of an empty one.
  bool take(SqlChunk& chunk);
  bool has_chunk();
  /// Everything was taken and nothing more comes.
  bool is_over();
  std::optional<Error> failure();
  /// The server is away.
  std::optional<Error> trouble();
  std::uint64_t reconnects();
  /// The columns that places are of; empty: not known yet.
  std::vector<std::string> key();

 private:
  enum class Wait { done, stopped };

  void run();
  Status round();
  Status connect();
  Status make_plan();
  Status read_rows(std::uint64_t limit, std::uint64_t& rows);
  Status take_row(const SqlValue* values);
  void add_event(SqlPlace place);
  Error too_large() const;
  /// `why` says what is wrong with the row; which one it is comes before that.
  void refuse(const SqlValue* values, SqlPlace place, Error why);
  Wait hand_over();
  Wait pause_until(std::int64_t monotonic_ms);
  bool is_stopped();
  void signal();
  void set_trouble(std::optional<Error> error);

  const SqlSourceOptions& options_;
  const SqlAddress address_;
  const EventLimits limits_;
  SqlConnection connection_;

  // Of the thread.
  std::optional<SqlPlan> plan_;
  std::optional<RowForm> form_;
  std::optional<AvroRow> avro_;
  std::string head_;  // the encoded headers of each event
  std::vector<std::string> after_;
  SqlPlace last_;
  bool has_last_ = false;
  std::uint64_t rows_ = 0;  // handed over in this round
  SqlChunk filling_;
  std::string body_;
  Retry retry_;
  RetryLimits tries_;
  Alarm alarm_{"reading again"};

  std::mutex mutex_;
  std::vector<std::string> key_;
  std::condition_variable wake_;
  std::deque<SqlChunk> chunks_;
  std::vector<SqlChunk> spare_;
  std::optional<Error> failure_;
  std::optional<Error> trouble_;
  std::uint64_t reconnects_ = 0;
  bool is_over_ = false;
  std::atomic<bool> is_stopping_ = false;  // changes under the mutex

  UniqueFd event_;
  std::thread thread_;
};

}  // namespace fl
