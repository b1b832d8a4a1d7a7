// The sink: asks the metastore for the table, then hands everything to the sink of files.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/component/component.h"
#include "common/io/poll_set.h"
#include "common/metastore/client.h"
#include "tools/fl-sink/hdfs/sink.h"
#include "tools/fl-sink/hdfs/worker_pool.h"
#include "tools/fl-sink/hive/options.h"
#include "tools/fl-sink/hive/partition_names.h"
#include "tools/fl-sink/hive/partitioned_store.h"
#include "tools/fl-sink/hive/table_plan.h"

namespace fl {

/// Files are gathered, stored and tried again as in the hdfs sink; here they have the form and the
/// place of a table, and are safe when their partition is there (PartitionedStore). A worker asks
/// for the table; until it has it, the sink is not ready() and nothing is read.
class HiveSink final : public Sink {
 public:
  explicit HiveSink(HiveOptions options);
  ~HiveSink() override;

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  Status deliver(const Batch& batch) override { return files_.deliver(batch); }
  bool ready() const override { return has_table_ && files_.ready(); }
  std::uint64_t safe() const override { return has_table_ ? files_.safe() : 0; }
  Status commit(std::uint64_t n) override { return has_table_ ? files_.commit(n) : Status(); }
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override { return has_table_ ? files_.deadline_ms() : -1; }
  Status close() override;
  std::string status() const override;
  std::optional<Error> missing() const override;
  bool works() const override { return !has_table_ || files_.works(); }
  void figures(FigureList& out) const override;

 private:
  Status check_options();
  Result<TablePlan> ask() const;
  Result<TablePlan> ask_patiently() const;
  Status begin(Result<TablePlan> plan);
  Status look_for_table();

  HiveOptions options_;
  StageContext context_;
  std::vector<PartitionPattern> patterns_;
  std::string user_;
  std::shared_ptr<Metastore> metastore_;
  std::shared_ptr<Partitions> partitions_;
  HdfsSink files_;
  bool has_table_ = false;

  UniqueFd wake_;
  std::mutex mutex_;
  std::optional<Result<TablePlan>> found_;  // guarded by mutex_
  WorkerPool asker_{1};                     // last: its thread uses the members above
};

}  // namespace fl
