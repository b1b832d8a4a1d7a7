// A Hive metastore: what a table is like, and new partitions for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/error.h"
#include "common/metastore/link.h"
#include "common/metastore/types.h"
#include "common/metastore/wire.h"

namespace fl {

struct MetastoreSettings {
  std::vector<MetastoreAddress> addresses;  ///< tried in turn; at least one
  std::string user;                         ///< who makes the directories of partitions
  std::int64_t call_timeout_ms = 30'000;
  HttpTls tls = {};
};

/// Blocks; from any thread, one call at a time. Every call may be repeated, so one whose connection
/// was lost is: on a new connection, then with the next server.
///
/// Errors: unavailable: none of the servers answers as it should; permission, config: HTTP says so.
class Metastore {
 public:
  explicit Metastore(MetastoreSettings settings);
  ~Metastore();

  /// What a server has answered, or why it refuses.
  template <typename T>
  using Answer = Result<MetastoreReply<T>>;

  Answer<MetastoreTable> table(const std::string& database, const std::string& name);
  /// The location of the partition `name` ("dt=2026-11-29/hr=9").
  Answer<std::string> partition(const MetastoreTable& table, const std::string& name);
  /// Adds a partition, unless it is there.
  Answer<bool> add_partition(const MetastoreTable& table, const std::vector<std::string>& values,
                             const std::string& location);

  /// Ends what runs in other threads, and refuses what is new.
  void cancel() { is_cancelled_ = true; }
  const std::atomic<bool>& cancelled() const { return is_cancelled_; }
  /// "the metastore thrift://a:9083", "the metastores ...", for people.
  std::string place() const;

 private:
  template <typename T>
  using Decode = Result<MetastoreReply<T>> (*)(std::int32_t, const MetastoreBytes&);

  template <typename T, typename Encode>
  Answer<T> call(const Encode& encode, Decode<T> decode);
  template <typename T>
  Answer<T> exchange(MetastoreLink& link, const std::string& request, std::int32_t sequence,
                     Decode<T> decode);
  Status connect(MetastoreLink& link);

  const MetastoreSettings settings_;
  std::atomic<bool> is_cancelled_ = false;
  std::mutex mutex_;
  std::vector<std::unique_ptr<MetastoreLink>> links_;  // guarded by mutex_, as all below
  std::size_t current_ = 0;
  std::int32_t sequence_ = 0;
};

}  // namespace fl
