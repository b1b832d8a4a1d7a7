#include "tools/fl-sink/hdfs/local_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/dir_probe.h"
#include "common/io/local_dir.h"

namespace fl {
namespace {

constexpr std::uint64_t kWriteback = 8 << 20;

// The state that parts share with the store.
class Place {
 public:
  Place(std::string path, std::optional<unsigned> file_mode)
      : base(std::move(path)), mode(file_mode) {}

  /// Opens the base directory, and makes it if it is missing: somebody may have removed it since.
  Status open() {
    Result<LocalDir> opened = LocalDir::open(base, LocalDir::Missing::create);
    if (!opened) {
      return opened.error();
    }
    const std::lock_guard lock(mutex_);
    dir_ = std::make_shared<const LocalDir>(std::move(*opened));
    return {};
  }
  std::shared_ptr<const LocalDir> dir() {
    const std::lock_guard lock(mutex_);
    return dir_;
  }

  /// Makes the path from the base to a bucket's directory durable, unless it is known to be.
  Status sync_way_to(const std::string& directory) {
    const std::shared_ptr<const LocalDir> from = dir();
    const std::string identity = from->identity(directory);
    {
      const std::lock_guard lock(mutex_);
      const auto known = synced_.find(directory);
      if (known != synced_.end() && !identity.empty() && known->second == identity) {
        return {};
      }
    }
    if (Status status = from->sync_path(directory); !status) {
      return status;
    }
    const std::lock_guard lock(mutex_);
    if (synced_.size() >= kMaxSynced) {
      synced_.clear();
    }
    synced_[directory] = identity;
    return {};
  }

  const std::string base;
  const std::optional<unsigned> mode;  // of files

 private:
  static constexpr std::size_t kMaxSynced = 10'000;

  std::mutex mutex_;
  std::shared_ptr<const LocalDir> dir_;
  // Bucket directories whose whole path was on disk, and which directories those were.
  std::unordered_map<std::string, std::string> synced_;
};

// The configuration was right when the stage began.
Error removed_while_running(Error error) {
  error.kind = error.kind == ErrorClass::config ? ErrorClass::create : error.kind;
  return error;
}

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
      // The disk starts writing now, so that the sync at the end has little left to wait for. Only
      // a hint.
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
      // second call would succeed.
      if (fdatasync(fd_.get()) != 0) {
        const int number = errno;
        const Error error =
            system_error(ErrorClass::io, "cannot sync '" + dir_->path_of(temporary_) + "'", number);
        discard();
        return Outcome::fail(error);
      }
      is_synced_ = true;
    }
    for (bool is_anew = false; !is_renamed_;) {
      int number = 0;
      const Result<bool> renamed = dir_->rename(temporary_, names_.final_name(counter), &number);
      if (!renamed) {
        if (is_disk_full(number)) {
          return Outcome::full(renamed.error());
        }
        if (number == ENOENT && !std::exchange(is_anew, true)) {
          Outcome written = write_anew();
          if (written.kind != Outcome::Kind::done) {
            return written;
          }
          continue;
        }
        // The directory or the temporary was removed: nothing is wrong with the configuration.
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
    if (Status synced = dir_->sync(); !synced) {
      return Outcome::fail(synced.error());
    }
    if (Status synced = place_.sync_way_to(names_.directory); !synced) {
      return Outcome::fail(removed_while_running(synced.error()));
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
          place_.dir()->below(names_.directory, LocalDir::Missing::create, &number);
      Result<UniqueFd> fd = UniqueFd();
      if (dir) {
        std::string name = temporary_name(names_.final_name(counter_));
        fd = dir->create_file(name, &number);
        if (fd) {
          return take(std::move(*dir), std::move(*fd), std::move(name));
        }
      }
      const Error error = dir ? fd.error() : dir.error();
      if (is_disk_full(number)) {
        return Outcome::full(error);
      }
      // ENOENT: a directory was removed, perhaps the base too; EEXIST cannot happen twice.
      if ((number != ENOENT && number != EEXIST) || tries == 3) {
        return Outcome::fail(removed_while_running(error));
      }
      if (!place_.dir()->exists()) {
        if (Status opened = place_.open(); !opened) {
          return Outcome::fail(removed_while_running(opened.error()));
        }
        log(LogLevel::warning, "'" + place_.base + "' was removed: it is made again");
      }
    }
  }

  Outcome take(LocalDir dir, UniqueFd fd, std::string name) {
    // Shows another run's sweeper that this file has an owner, however old it is.
    (void)flock(fd.get(), LOCK_EX | LOCK_NB);
    if (place_.mode && fchmod(fd.get(), *place_.mode) != 0) {
      const int why = errno;
      (void)dir.remove(name);
      return Outcome::fail(system_error("cannot set the mode of '" + dir.path_of(name) + "'", why));
    }
    dir_.emplace(std::move(dir));
    fd_ = std::move(fd);
    temporary_ = std::move(name);
    return {};
  }

  // Somebody removed the temporary, perhaps with its directory. As long as it is open it can be
  // read: what it holds goes to another one, synced.
  Outcome write_anew() {
    const std::string gone = dir_->path_of(temporary_);
    UniqueFd old = std::move(fd_);
    if (Outcome created = create(); created.kind != Outcome::Kind::done) {
      fd_ = std::move(old);
      return created;
    }
    log(LogLevel::warning, "'" + gone + "' was removed: writing it again");
    int number = 0;
    std::string bytes(1 << 20, '\0');
    for (std::uint64_t done = 0; done < length_ && number == 0;) {
      const ssize_t n = pread(old.get(), bytes.data(), bytes.size(), static_cast<off_t>(done));
      if (n <= 0) {
        number = n < 0 ? errno : EIO;
        break;
      }
      const auto size = static_cast<std::size_t>(n);
      done += write_some(fd_.get(), std::string_view(bytes).substr(0, size), number);
    }
    if (number == 0 && fdatasync(fd_.get()) != 0) {
      number = errno;
    }
    if (number == 0) {
      return {};
    }
    const Error error =
        system_error(ErrorClass::io, "cannot write '" + dir_->path_of(temporary_) + "'", number);
    (void)dir_->remove(temporary_);
    fd_ = std::move(old);  // the next try finds no temporary again
    return is_disk_full(number) ? Outcome::full(error) : Outcome::fail(error);
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
  LocalStore(const std::string& base, std::optional<unsigned> mode) : place_(base, mode) {}

  Status open(bool dry_run) override {
    return dry_run ? check_dir_can_be_made(place_.base) : place_.open();
  }

  std::string_view rule() const override { return "file synced and renamed"; }

  std::string place() const override { return "local directory"; }

  std::string base() const override { return place_.base; }

  std::unique_ptr<Part> part(const FileNames& names, std::uint64_t counter) override {
    return std::make_unique<LocalPart>(place_, names, counter);
  }

  void sweep(const std::string& directory, std::int64_t age_ms) override {
    const Result<LocalDir> dir = place_.dir()->below(directory, LocalDir::Missing::fail);
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
  Place place_;
};

}  // namespace

std::unique_ptr<Store> make_local_store(const std::string& base, std::optional<unsigned> mode) {
  return std::make_unique<LocalStore>(base, mode);
}

}  // namespace fl
