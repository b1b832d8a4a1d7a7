#include "tools/fl-sink/hive/partitioned_store.h"

#include <utility>

#include "common/base/log.h"
#include "tools/fl-sink/hive/partition_value.h"

namespace fl {
namespace {

constexpr std::size_t kMaxKnown = 100'000;

// The file, then its partition: readers never see a partition before its first file.
class PartitionedPart final : public Part {
 public:
  PartitionedPart(std::unique_ptr<Part> file, Partitions& partitions, const FileNames& names)
      : file_(std::move(file)), partitions_(partitions), names_(names) {}

  Outcome write(std::string& buffer) override { return file_->write(buffer); }

  Outcome commit(std::string& rest, std::uint64_t& counter) override {
    if (!is_stored_) {
      Outcome looked = partitions_.look(names_.directory);
      if (looked.kind != Outcome::Kind::done) {
        return looked;
      }
      Outcome stored = file_->commit(rest, counter);
      if (stored.kind != Outcome::Kind::done) {
        return stored;
      }
      is_stored_ = true;
    }
    return partitions_.publish(names_.directory);
  }

  void discard() override {
    if (!is_stored_) {
      file_->discard();
    }
  }

 private:
  const std::unique_ptr<Part> file_;
  Partitions& partitions_;
  const FileNames& names_;
  bool is_stored_ = false;
};

class PartitionedStore final : public Store {
 public:
  PartitionedStore(std::unique_ptr<Store> files, std::shared_ptr<Partitions> partitions)
      : files_(std::move(files)), partitions_(std::move(partitions)) {}

  Status open(bool dry_run) override { return files_->open(dry_run); }
  /// Also a local one is opened apart: the loop of the stage runs by then.
  bool is_remote() const override { return true; }
  std::string_view rule() const override { return kPartitionedRule; }
  std::string place() const override { return files_->place() + ", " + partitions_->place(); }
  std::string base() const override { return files_->base(); }
  std::unique_ptr<Part> part(const FileNames& names, std::uint64_t counter) override {
    return std::make_unique<PartitionedPart>(files_->part(names, counter), *partitions_, names);
  }
  void sweep(const std::string& directory, std::int64_t age_ms) override {
    files_->sweep(directory, age_ms);
  }
  bool has_room() const override { return files_->has_room(); }
  bool commit_frees_room() const override { return files_->commit_frees_room(); }
  void cancel() override {
    partitions_->cancel();
    files_->cancel();
  }
  void log_out() override { files_->log_out(); }

 private:
  const std::unique_ptr<Store> files_;
  const std::shared_ptr<Partitions> partitions_;
};

Outcome away(const Error& error) { return {Outcome::Kind::failed, error, "the metastore"}; }

}  // namespace

Partitions::Partitions(std::shared_ptr<Metastore> metastore, const TablePlan& plan, bool create)
    : metastore_(std::move(metastore)),
      table_(plan.table),
      location_(plan.location),
      create_(create) {}

Partitions::Known Partitions::known(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  return published_.contains(directory) ? Known::published
         : looked_.contains(directory)  ? Known::looked
                                        : Known::no;
}

// False: it was known.
bool Partitions::remember(std::unordered_set<std::string>& set, const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (set.size() >= kMaxKnown) {
    set.clear();
  }
  return set.insert(directory).second;
}

Outcome Partitions::look(const std::string& directory) {
  if (directory.empty() || known(directory) != Known::no) {
    return {};
  }
  const Metastore::Answer<std::string> found = metastore_->partition(table_, directory);
  if (!found) {
    return away(found.error());
  }
  if (found->result) {
    if (!is_same_location(*found->result, location_ + "/" + directory)) {
      return Outcome::fail(
          {ErrorClass::config,
           "the partition " + directory + " of " + table_.shown() + " has its files at " +
               *found->result + ", not at " + location_ + "/" + directory,
           "ALTER TABLE ... PARTITION ... SET LOCATION moves it, or let other events go there"});
    }
    (void)remember(published_, directory);
    return {};
  }
  if (found->refusal.kind != MetastoreRefusal::Kind::no_such_object) {
    return refused(found->refusal, directory);
  }
  if (!create_) {
    return Outcome::refuse({ErrorClass::config,
                            "the partition " + directory + " of " + table_.shown() +
                                " is missing, and --auto-create-partitions is off",
                            "ALTER TABLE ... ADD PARTITION makes it"});
  }
  (void)remember(looked_, directory);
  return {};
}

Outcome Partitions::publish(const std::string& directory) {
  if (directory.empty() || known(directory) == Known::published) {
    return {};
  }
  const Metastore::Answer<bool> added =
      metastore_->add_partition(table_, partition_values(directory), location_ + "/" + directory);
  if (!added) {
    return away(added.error());
  }
  if (!added->result && added->refusal.kind != MetastoreRefusal::Kind::already_exists) {
    return refused(added->refusal, directory);
  }
  log(LogLevel::debug, "the partition " + directory + " of " + table_.shown() + " is there");
  added_ += remember(published_, directory) ? 1 : 0;
  return {};
}

Outcome Partitions::refused(const MetastoreRefusal& refusal, const std::string& directory) const {
  const std::string what = "the metastore does not add the partition " + directory + " of " +
                           table_.shown() + ": " + printable(refusal.text.substr(0, 500));
  switch (refusal.kind) {
    case MetastoreRefusal::Kind::invalid:
    case MetastoreRefusal::Kind::no_such_object:
      return Outcome::fail({ErrorClass::config, what, "was the table dropped or changed?"});
    case MetastoreRefusal::Kind::call:
      return Outcome::fail(
          {ErrorClass::config, what, "a metastore of Hive 2.3 or later is needed"});
    default: {
      const bool is_denied = refusal.text.find("AccessControl") != std::string::npos ||
                             refusal.text.find("ermission denied") != std::string::npos;
      return Outcome::refuse({is_denied ? ErrorClass::permission : ErrorClass::unavailable, what,
                              is_denied ? "the metastore makes the directory as --user" : ""});
    }
  }
}

std::unique_ptr<Store> make_partitioned_store(std::unique_ptr<Store> files,
                                              std::shared_ptr<Partitions> partitions) {
  return std::make_unique<PartitionedStore>(std::move(files), std::move(partitions));
}

}  // namespace fl
