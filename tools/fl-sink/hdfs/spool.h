// Unlinked files in which parts are gathered before their upload; they vanish with the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "common/base/unique_fd.h"
#include "tools/fl-sink/hdfs/store.h"

namespace fl {

/// The spool directory and how much of it is in use. Safe from any thread after open().
class Spool {
 public:
  /// `directory` empty: $TMPDIR, else /var/tmp.
  Spool(std::string directory, std::uint64_t limit);
  /// Class create: the directory takes no files.
  Status check() const;

  bool has_room() const { return used_.load(std::memory_order_relaxed) < limit_; }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  const std::string& directory() const { return directory_; }

 private:
  friend class SpoolFile;
  Result<UniqueFd> create(int& number) const;

  std::string directory_;
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
};

/// One part's bytes. A file on disk from its first write(); what was never written before
/// complete() stays in memory. After the bytes some room is reserved, so that complete() works on a
/// disk that has become full: only an upload makes room there again.
class SpoolFile {
 public:
  explicit SpoolFile(Spool& spool) : spool_(spool) {}
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;
  ~SpoolFile() { release(); }

  /// As Part::write().
  Outcome write(std::string& buffer);
  /// Takes the last bytes; after done, fd() and length() are the whole part.
  Outcome complete(std::string& rest);
  void release();

  int fd() const { return fd_.get(); }
  std::uint64_t length() const { return length_; }

 private:
  Outcome append(std::string& buffer);

  Spool& spool_;
  UniqueFd fd_;
  bool in_memory_ = false;
  std::uint64_t length_ = 0;
};

}  // namespace fl
