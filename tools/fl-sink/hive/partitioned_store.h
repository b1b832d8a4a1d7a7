// A store whose files are in partitions: a file is stored when its partition is in the metastore,
// too.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "common/metastore/client.h"
#include "tools/fl-sink/hdfs/store.h"
#include "tools/fl-sink/hive/table_plan.h"

namespace fl {

/// What an acknowledgement means.
constexpr std::string_view kPartitionedRule = "file renamed, partition in the metastore";

/// The partitions of one table. From any thread.
class Partitions {
 public:
  /// `create`: adds those that are missing.
  Partitions(std::shared_ptr<Metastore> metastore, const TablePlan& plan, bool create);

  /// Before a file is stored in `directory` ("dt=2026-11-29"): the partition, if it is there, has
  /// its files in that directory. Refused: it is missing, and we may not make it.
  Outcome look(const std::string& directory);
  /// After a file was stored there: the partition is in the metastore when this says done.
  Outcome publish(const std::string& directory);
  /// Those that were added (or found to have been added meanwhile).
  std::uint64_t added() const { return added_; }
  void cancel() { metastore_->cancel(); }
  std::string place() const { return metastore_->place(); }

 private:
  enum class Known { no, looked, published };
  Known known(const std::string& directory);
  bool remember(std::unordered_set<std::string>& set, const std::string& directory);
  Outcome refused(const MetastoreRefusal& refusal, const std::string& directory) const;

  const std::shared_ptr<Metastore> metastore_;
  const MetastoreTable table_;
  const std::string location_;
  const bool create_;
  std::atomic<std::uint64_t> added_ = 0;
  std::mutex mutex_;
  std::unordered_set<std::string> looked_;  // guarded by mutex_, as all below
  std::unordered_set<std::string> published_;
};

std::unique_ptr<Store> make_partitioned_store(std::unique_ptr<Store> files,
                                              std::shared_ptr<Partitions> partitions);

}  // namespace fl
