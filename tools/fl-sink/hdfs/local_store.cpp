#include "tools/fl-sink/hdfs/local_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "common/base/clock.h"
#include "common/io/local_dir.h"

namespace fl {
namespace {

constexpr std::uint64_t kWriteback = 8 << 20;

// The state that parts share with the store.
struct Place {
  std::optional<unsigned> mode;  // of files
  std::string base;
  std::optional<LocalDir> dir;
  std::mutex mutex;
  std::unordered_set<std::string> synced;  // bucket directories whose whole path is on disk

  bool is_synced(const std::string& directory) {
    const std::lock_guard lock(mutex);
    return synced.contains(directory);
  }
  void set_synced(const std::string& directory) {
    const std::lock_guard lock(mutex);
    if (synced.size() >= kMaxSynced) {
      synced.clear();
    }
    synced.insert(directory);
  }
  static constexpr std::size_t kMaxSynced = 10'000;
};

class LocalPart final : public Part {
 public:
  LocalPart(Place& place, const FileNames& names, std::uint64_t counter)
      : place_(place), names_(names), counter_(counter) {}
  LocalPart(const LocalPart&) = delete;
  LocalPart& operator=(const LocalPart&) = delete;
  ~LocalPart() override { discard(); }

  Outcome write(std::string& buffer) override {
    if (!fd_) {
      Outcome created = create();
      if (created.kind != Outcome::Kind::done) {
        return created;
      }
    }
    int number = 0;
    const std::size_t done = write_some(fd_.get(), buffer, number);
    buffer.erase(0, done);
    length_ += done;
    if (length_ - started_ >= kWriteback) {
      // The disk begins now, so that the sync at the end has little left to wait for. Only a hint.
      (void)sync_file_range(fd_.get(), static_cast<off_t>(started_),
                            static_cast<off_t>(length_ - started_), SYNC_FILE_RANGE_WRITE);
      started_ = length_;
    }
    if (number == 0) {
      return {};
    }
    const Error error =
        system_error(ErrorClass::io, "cannot write '" + dir_->path_of(temporary_) + "'", number);
    return is_disk_full(number) ? Outcome::full(error) : Outcome::fail(error);
  }

  Outcome commit(std::string& rest, std::uint64_t& counter) override {
    if (!is_synced_) {
      Outcome written = write(rest);
      if (written.kind != Outcome::Kind::done) {
        return written;
      }
      // A failed sync is never tried again: the page cache may have forgotten the data and the
      // second call would succeed (reliability.md 10 A6).
      if (fdatasync(fd_.get()) != 0) {
        const int number = errno;
        const Error error =
            system_error(ErrorClass::io, "cannot sync '" + dir_->path_of(temporary_) + "'", number);
        discard();
        return Outcome::fail(error);
      }
      is_synced_ = true;
    }
    while (!is_renamed_) {
      int number = 0;
      const Result<bool> renamed = dir_->rename(temporary_, names_.final_name(counter), &number);
      if (!renamed) {
        if (is_disk_full(number)) {
          return Outcome::full(renamed.error());
        }
        // The directory or the temporary was taken away: nothing is wrong with the configuration.
        Error error = renamed.error();
        error.kind = error.kind == ErrorClass::config ? ErrorClass::io : error.kind;
        return Outcome::fail(std::move(error));
      }
      is_renamed_ = *renamed;
      if (!is_renamed_) {
        ++counter;
      }
    }
    fd_.reset();
    const bool known = place_.is_synced(names_.directory);
    const Status synced = known ? dir_->sync() : place_.dir->sync_path(names_.directory);
    if (!synced) {
      return Outcome::fail(synced.error());
    }
    if (!known) {
      place_.set_synced(names_.directory);
    }
    dir_.reset();
    return {};
  }

  void discard() override {
    if (dir_ && !temporary_.empty() && !is_renamed_) {
      (void)dir_->remove(temporary_);
    }
    temporary_.clear();
    fd_.reset();
    dir_.reset();
  }

 private:
  Outcome create() {
    for (int tries = 0;; ++tries) {
      int number = 0;
      Result<LocalDir> dir =
          place_.dir->below(names_.directory, LocalDir::Missing::create, &number);
      if (!dir) {
        return is_disk_full(number) ? Outcome::full(dir.error()) : Outcome::fail(dir.error());
      }
      std::string name = temporary_name(names_.final_name(counter_));
      Result<UniqueFd> fd = dir->create_file(name, &number);
      if (fd) {
        // Shows another run's sweeper that this file has an owner, however old it is.
        (void)flock(fd->get(), LOCK_EX | LOCK_NB);
        if (place_.mode && fchmod(fd->get(), *place_.mode) != 0) {
          const int why = errno;
          (void)dir->remove(name);
          return Outcome::fail(
              system_error("cannot set the mode of '" + dir->path_of(name) + "'", why));
        }
        dir_.emplace(std::move(*dir));
        fd_ = std::move(*fd);
        temporary_ = std::move(name);
        return {};
      }
      // ENOENT: the directory was removed after it was opened; EEXIST cannot happen twice.
      if ((number != ENOENT && number != EEXIST) || tries == 3) {
        return is_disk_full(number) ? Outcome::full(fd.error()) : Outcome::fail(fd.error());
      }
    }
  }

  Place& place_;
  const FileNames& names_;
  const std::uint64_t counter_;
  std::optional<LocalDir> dir_;  // while there is a temporary
  UniqueFd fd_;
  std::string temporary_;
  std::uint64_t length_ = 0;
  std::uint64_t started_ = 0;  // up to here the disk was asked to write
  bool is_synced_ = false;
  bool is_renamed_ = false;
};

class LocalStore final : public Store {
 public:
  LocalStore(const std::string& base, std::optional<unsigned> mode) {
    place_.base = base;
    place_.mode = mode;
  }

  Status open(bool dry_run) override {
    if (dry_run) {
      return probe();
    }
    Result<LocalDir> dir = LocalDir::open(place_.base, LocalDir::Missing::create);
    if (!dir) {
      return dir.error();
    }
    place_.dir.emplace(std::move(*dir));
    return {};
  }

  std::string_view rule() const override { return "file synced and renamed"; }

  std::string place() const override { return "local directory"; }

  std::string base() const override { return place_.base; }

  std::unique_ptr<Part> part(const FileNames& names, std::uint64_t counter) override {
    return std::make_unique<LocalPart>(place_, names, counter);
  }

  void sweep(const std::string& directory, std::int64_t age_ms) override {
    const Result<LocalDir> dir = place_.dir->below(directory, LocalDir::Missing::fail);
    if (!dir) {
      return;
    }
    const auto files = dir->files(is_temporary_name);
    if (!files) {
      return;
    }
    for (const LocalDir::Entry& file : *files) {
      if (file.modified_ms < wall_ms() - age_ms) {
        (void)dir->remove_unlocked(file.name);
      }
    }
  }

 private:
  // Could the place be made and written? Looks at the nearest part of it that exists.
  Status probe() const {
    std::string path = place_.base;
    while (access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
      const std::size_t slash = path.find_last_of('/');
      path = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    }
    if (access(path.c_str(), W_OK | X_OK) != 0) {
      return system_error("cannot write in '" + path + "'", errno);
    }
    return {};
  }

  Place place_;
};

}  // namespace

std::unique_ptr<Store> make_local_store(const std::string& base, std::optional<unsigned> mode) {
  return std::make_unique<LocalStore>(base, mode);
}

}  // namespace fl
