// Which events are in a channel, from its checkpoint and the records after it: committed, and not
// taken by a committed transaction.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/error.h"
#include "tools/fl-channel/import_flume/checkpoint.h"
#include "tools/fl-channel/import_flume/data_file.h"

namespace fl::flume {

/// A data file as it is found.
struct FoundFile {
  std::uint32_t number = 0;
  std::string path;
  FileMeta meta;
};
/// Those of one data directory, by number: they were written one after the other.
using FoundFiles = std::vector<FoundFile>;

class Replay {
 public:
  /// `most`: events that may be in the channel or in an open transaction; more is an error.
  Replay(std::vector<FoundFiles> directories, std::optional<Checkpoint> checkpoint,
         std::uint64_t most, Complaint complain);

  /// Reads some more records. False: that was all, and events() are there.
  Result<bool> step();
  /// The events, oldest first. Once.
  std::vector<Pointer> events();
  /// Events that were put by transactions that ended neither way.
  std::uint64_t uncommitted() const { return uncommitted_; }

 private:
  struct Transaction {
    std::vector<Pointer> puts;
    std::vector<Pointer> takes;
  };
  struct Lane {
    FoundFiles files;
    std::size_t at = 0;  // the file that is read, or comes next
    std::unique_ptr<DataFile> open;
    bool has_record = false;
    bool is_behind_checkpoint = false;  // all records that are read are
  };
  // Keys come from foreign files: their places in the tables must not be predictable.
  struct Mixed {
    std::uint64_t seed;
    std::size_t operator()(std::uint64_t value) const {
      value = (value ^ seed) * 0x9E3779B97F4A7C15;
      value = (value ^ (value >> 32)) * 0xD6E8FEB86659FD93;
      return static_cast<std::size_t>(value ^ (value >> 32));
    }
  };

  Result<bool> advance(Lane& lane);
  std::uint64_t start_of(const FoundFile& file) const;
  Status apply(const Lane& lane);
  void commit(const Record& record, const Transaction& transaction);
  Status check_size() const;

  std::vector<Lane> lanes_;
  const std::uint64_t most_;
  Complaint complain_;
  bool has_checkpoint_ = false;
  bool is_complete_ = false;  // no older file was removed
  std::uint32_t newest_file_ = 0;
  std::uint64_t order_ = 0;  // records up to it are in the checkpoint
  std::uint64_t uncommitted_ = 0;
  std::uint64_t next_place_ = 0;
  std::unordered_set<std::uint64_t, Mixed> known_files_;
  // Committed events, and their places in the queue.
  std::unordered_map<Pointer, std::uint64_t, Mixed> queue_;
  // Taken events whose put comes later: the writers of two files do not wait for each other.
  std::unordered_set<Pointer, Mixed> taken_;
  std::unordered_map<std::uint64_t, Transaction, Mixed> open_;
  // Places of events that were being taken at the checkpoint.
  std::unordered_map<Pointer, std::uint64_t, Mixed> being_taken_;
  std::uint64_t held_ = 0;  // pointers in open transactions
};

}  // namespace fl::flume
