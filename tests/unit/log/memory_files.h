// The seam of the log over a disk in memory. One of these is one process: its locks go with it, the
// disk stays. Each call can be watched, made to fail, and held.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/log/log_files.h"
#include "tests/unit/log/memory_disk.h"

namespace fl {

enum class Call {
  open,
  pread,
  pwritev,
  fdatasync,
  ftruncate,
  size,
  lock,
  rename,
  unlink,
  mkdir,
  list,
  sync_dir,
  space,
};

inline constexpr std::string_view kCallNames[] = {
    "open",   "pread",  "pwritev", "fdatasync", "ftruncate", "size", "lock",
    "rename", "unlink", "mkdir",   "list",      "sync_dir",  "space"};

inline bool changes_disk(Call call) {
  return call == Call::open || call == Call::pwritev || call == Call::fdatasync ||
         call == Call::ftruncate || call == Call::rename || call == Call::unlink ||
         call == Call::mkdir || call == Call::sync_dir;
}

/// The answer of a plan: what the call does instead.
struct CallFault {
  int error = 0;          ///< errno; 0: none
  bool is_short = false;  ///< pread and pwritev do only a part
};

/// The disk with what all processes on it share.
struct MemoryMachine {
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  std::mutex mutex;
  std::mt19937_64 random;
  std::int64_t now_ms = 1'700'000'000'000;
  std::uint64_t free_bytes = std::uint64_t{1} << 40;
  std::int64_t file_system = 0xEF53;  ///< statfs(2): f_type; ext4
  /// Before each call, with the mutex held: whether it fails.
  std::function<CallFault(Call, const std::string&)> plan;
  /// After each call that may have changed the disk, and before each (`done` false), with the mutex
  /// held.
  std::function<void(Call, const std::string&, bool done)> watch;
  /// In each fdatasync of a file, after what it covers is known and before it is on the disk,
  /// without the mutex.
  std::function<void(const std::string&)> during_sync;
  /// Syncs of what failed to be synced before, with nothing written since.
  std::uint64_t useless_syncs = 0;
  /// A failed sync as Linux does it, or one that leaves everything as it was.
  bool failed_sync_forgets = true;

  struct Locks {
    int shared = 0;
    bool exclusive = false;
  };
  std::map<const MemoryFile*, Locks> locks;
};

class MemoryFiles : public LogFiles {
 public:
  explicit MemoryFiles(std::shared_ptr<MemoryMachine> machine) : machine_(std::move(machine)) {}

  int open(const std::string& name, Open how, std::unique_ptr<LogFile>& file) override {
    file.reset();  // its end takes the mutex
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::open, name); fault.error != 0) {
      return -fault.error;
    }
    const auto [folder, base] = MemoryDisk::split(name);
    MemoryDirectory* const directory = machine_->disk->directory(folder);
    if (directory == nullptr) {
      return -ENOENT;
    }
    const auto found = directory->now.find(base);
    std::shared_ptr<MemoryFile> one = found == directory->now.end() ? nullptr : found->second;
    if (how == Open::create_new && one != nullptr) {
      return -EEXIST;
    }
    if (how == Open::create || how == Open::create_new) {
      if (one == nullptr) {
        one = std::make_shared<MemoryFile>();
        directory->change({{base, one}});
      } else if (!one->now.get().empty()) {
        one->change({0, {}, true});
      }
    }
    if (one == nullptr) {
      return -ENOENT;
    }
    file = std::make_unique<File>(machine_, std::move(one), name, how != Open::read);
    after(*machine_, Call::open, name);
    return 0;
  }

  int rename(const std::string& from, const std::string& to) override {
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::rename, to); fault.error != 0) {
      return -fault.error;
    }
    const auto [folder, base] = MemoryDisk::split(from);
    const auto [to_folder, to_base] = MemoryDisk::split(to);
    MemoryDirectory* const directory = machine_->disk->directory(folder);
    MemoryDirectory* const to_directory = machine_->disk->directory(to_folder);
    if (directory == nullptr || to_directory == nullptr || directory->now.count(base) == 0) {
      return -ENOENT;
    }
    const std::shared_ptr<MemoryFile> file = directory->now[base];
    if (directory == to_directory) {
      directory->change({{base, nullptr}, {to_base, file}});
    } else {
      directory->change({{base, nullptr}});
      to_directory->change({{to_base, file}});
    }
    after(*machine_, Call::rename, to);
    return 0;
  }

  int unlink(const std::string& name) override {
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::unlink, name); fault.error != 0) {
      return -fault.error;
    }
    const auto [folder, base] = MemoryDisk::split(name);
    MemoryDirectory* const directory = machine_->disk->directory(folder);
    if (directory == nullptr || directory->now.count(base) == 0) {
      return -ENOENT;
    }
    directory->change({{base, nullptr}});
    after(*machine_, Call::unlink, name);
    return 0;
  }

  int mkdir(const std::string& name) override {
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::mkdir, name); fault.error != 0) {
      return -fault.error;
    }
    MemoryDirectory& root = machine_->disk->directories[""];
    if (root.now.count(name) != 0) {
      return -EEXIST;
    }
    root.change({{name, std::make_shared<MemoryFile>()}});
    machine_->disk->directories[name];
    after(*machine_, Call::mkdir, name);
    return 0;
  }

  int list(const std::string& name, std::vector<std::string>& names) override {
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::list, name); fault.error != 0) {
      return -fault.error;
    }
    const MemoryDirectory* const directory = machine_->disk->directory(name);
    if (directory == nullptr) {
      return -ENOENT;
    }
    names.clear();
    for (const auto& [base, file] : directory->now) {
      names.push_back(base);
    }
    return 0;
  }

  int sync_dir(const std::string& name) override {
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::sync_dir, name); fault.error != 0) {
      return -fault.error;
    }
    MemoryDirectory* const directory = machine_->disk->directory(name);
    if (directory == nullptr) {
      return -ENOENT;
    }
    directory->sync();
    after(*machine_, Call::sync_dir, name);
    return 0;
  }

  int space(LogSpace& space) override {
    const std::lock_guard held(machine_->mutex);
    if (const CallFault fault = before(*machine_, Call::space, ""); fault.error != 0) {
      return -fault.error;
    }
    space.free_bytes = machine_->free_bytes;
    space.total_bytes = std::uint64_t{1} << 40;
    space.type = machine_->file_system;
    return 0;
  }

  const std::string& path() const override { return path_; }

  std::int64_t now_ms() override {
    const std::lock_guard held(machine_->mutex);
    return machine_->now_ms += 7;
  }

  std::uint64_t random() override {
    const std::lock_guard held(machine_->mutex);
    return machine_->random();
  }

 private:
  static CallFault before(MemoryMachine& machine, Call call, const std::string& name) {
    if (machine.watch && changes_disk(call)) {
      machine.watch(call, name, false);
    }
    return machine.plan ? machine.plan(call, name) : CallFault();
  }
  static void after(MemoryMachine& machine, Call call, const std::string& name) {
    if (machine.watch) {
      machine.watch(call, name, true);
    }
  }

  class File : public LogFile {
   public:
    File(std::shared_ptr<MemoryMachine> machine, std::shared_ptr<MemoryFile> file, std::string name,
         bool writable)
        : machine_(std::move(machine)),
          file_(std::move(file)),
          name_(std::move(name)),
          writable_(writable) {}
    ~File() override {
      const std::lock_guard held(machine_->mutex);
      unlock();
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    std::int64_t pread(void* to, std::size_t size, std::uint64_t offset) override {
      const std::lock_guard held(machine_->mutex);
      const CallFault fault = before(*machine_, Call::pread, name_);
      if (fault.error != 0) {
        return -fault.error;
      }
      const std::string& bytes = file_->now.get();
      if (offset >= bytes.size()) {
        return 0;
      }
      size = std::min<std::size_t>(size, bytes.size() - offset);
      if (fault.is_short && size > 1) {
        size /= 2;
      }
      std::memcpy(to, bytes.data() + offset, size);
      return static_cast<std::int64_t>(size);
    }

    std::int64_t pwritev(std::span<const iovec> parts, std::uint64_t offset) override {
      const std::lock_guard held(machine_->mutex);
      if (!writable_) {
        return -EBADF;
      }
      std::string bytes;
      for (const iovec& part : parts) {
        bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
      }
      const CallFault fault = before(*machine_, Call::pwritev, name_);
      if (fault.error != 0) {
        return -fault.error;
      }
      if (fault.is_short && bytes.size() > 1) {
        bytes.resize(bytes.size() / 2 | 1);
      }
      const std::size_t growth =
          std::max<std::size_t>(file_->now.get().size(), offset + bytes.size()) -
          file_->now.get().size();
      if (growth > machine_->free_bytes) {
        return -ENOSPC;
      }
      machine_->free_bytes -= growth;
      const auto size = static_cast<std::int64_t>(bytes.size());
      file_->change({offset, std::move(bytes), false});
      after(*machine_, Call::pwritev, name_);
      return size;
    }

    int fdatasync() override {
      std::unique_lock held(machine_->mutex);
      const CallFault fault = before(*machine_, Call::fdatasync, name_);
      if (failed_at_ == file_->changes() + 1) {
        ++machine_->useless_syncs;
      }
      failed_at_ = fault.error != 0 && fault.error != EINTR ? file_->changes() + 1 : 0;
      if (fault.error != 0) {
        if (machine_->failed_sync_forgets && fault.error != EINTR) {
          file_->fail_sync(machine_->random);
        }
        after(*machine_, Call::fdatasync, name_);
        return -fault.error;
      }
      const std::uint64_t covered = file_->changes();
      if (machine_->during_sync) {
        const auto during = machine_->during_sync;
        held.unlock();
        during(name_);
        held.lock();
      }
      file_->sync(covered);
      after(*machine_, Call::fdatasync, name_);
      return 0;
    }

    int ftruncate(std::uint64_t size) override {
      const std::lock_guard held(machine_->mutex);
      if (const CallFault fault = before(*machine_, Call::ftruncate, name_); fault.error != 0) {
        return -fault.error;
      }
      file_->change({size, {}, true});
      after(*machine_, Call::ftruncate, name_);
      return 0;
    }

    std::int64_t size() override {
      const std::lock_guard held(machine_->mutex);
      if (const CallFault fault = before(*machine_, Call::size, name_); fault.error != 0) {
        return -fault.error;
      }
      return static_cast<std::int64_t>(file_->now.get().size());
    }

    int lock(Lock how) override {
      const std::lock_guard held(machine_->mutex);
      if (const CallFault fault = before(*machine_, Call::lock, name_); fault.error != 0) {
        return -fault.error;
      }
      unlock();
      MemoryMachine::Locks& locks = machine_->locks[file_.get()];
      if (locks.exclusive || (how == Lock::exclusive && locks.shared > 0)) {
        return -EWOULDBLOCK;
      }
      (how == Lock::exclusive ? exclusive_ : shared_) = true;
      locks.exclusive = how == Lock::exclusive;
      locks.shared += how == Lock::shared ? 1 : 0;
      return 0;
    }

   private:
    void unlock() {
      if (exclusive_) {
        machine_->locks[file_.get()].exclusive = false;
      }
      if (shared_) {
        --machine_->locks[file_.get()].shared;
      }
      exclusive_ = shared_ = false;
    }

    std::shared_ptr<MemoryMachine> machine_;
    std::shared_ptr<MemoryFile> file_;
    std::string name_;
    bool writable_;
    bool exclusive_ = false;
    bool shared_ = false;
    std::uint64_t failed_at_ = 0;  // changes when a sync failed, and one
  };

  std::shared_ptr<MemoryMachine> machine_;
  std::string path_ = "memory";
};

}  // namespace fl
