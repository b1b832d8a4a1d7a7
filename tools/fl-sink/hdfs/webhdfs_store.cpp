#include "tools/fl-sink/hdfs/webhdfs_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/hadoop/webhdfs.h"
#include "common/io/signals.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/spool.h"

namespace fl {
namespace {

// One client for each thread that works at the moment; connections are kept between uses.
class Clients {
 public:
  explicit Clients(WebHdfs::Settings settings) : settings_(std::move(settings)) {
    if (!settings_.session) {
      settings_.session = make_hdfs_session(settings_);
    }
    settings_.cancel = &cancel_;
  }

  class Lease {
   public:
    explicit Lease(Clients& clients) : clients_(clients), client_(clients.take()) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { clients_.give(std::move(client_)); }
    WebHdfs* operator->() { return client_.get(); }

   private:
    Clients& clients_;
    std::unique_ptr<WebHdfs> client_;
  };

  void cancel() { cancel_ = true; }
  const std::atomic<bool>& cancelled() const { return cancel_; }
  const WebHdfs::Settings& settings() const { return settings_; }

 private:
  std::unique_ptr<WebHdfs> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      return std::make_unique<WebHdfs>(settings_);
    }
    std::unique_ptr<WebHdfs> client = std::move(idle_.back());
    idle_.pop_back();
    return client;
  }
  void give(std::unique_ptr<WebHdfs> client) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
  }

  WebHdfs::Settings settings_;
  std::atomic<bool> cancel_{false};
  std::mutex mutex_;
  std::vector<std::unique_ptr<WebHdfs>> idle_;
};

// The last requests of a stage that ends must not keep it.
WebHdfs::Settings last_client_settings(WebHdfs::Settings settings) {
  settings.connect_timeout_ms = 1'000;
  settings.call_timeout_ms = 2'000;
  settings.stall_timeout_ms = 2'000;
  return settings;
}

// Its clients know of each other: which NameNode is active, which DataNodes are busy or failed.
WebHdfs::Settings with_session(WebHdfs::Settings settings) {
  settings.session = make_hdfs_session(settings);
  return settings;
}

struct Place {
  Place(const WebHdfs::Settings& settings, std::string spool_dir, std::uint64_t spool_bytes)
      : clients(settings),
        last_clients(last_client_settings(settings)),
        spool(std::move(spool_dir), spool_bytes) {}

  std::string directory(const FileNames& names) const {
    std::string path = base == "/" ? "" : base;
    if (!names.directory.empty()) {
      path += "/" + names.directory;
    }
    return path;
  }

  std::string base;        // absolute
  WebHdfs::Upload upload;  // what all files are made like
  Clients clients;
  Clients last_clients;  // for the last removals, after clients were cancelled: short time-outs
  std::atomic<bool> is_removal_hopeless{false};  // the last requests: nobody answers
  Spool spool;
};

Outcome outcome_of(const HdfsError& error) {
  if (error.trouble == HdfsTrouble::exists || error.trouble == HdfsTrouble::missing) {
    // A temporary name that is never the same twice; a directory or temporary that somebody
    // removed: another try makes them anew.
    return Outcome::fail({ErrorClass::unavailable, error.message, error.hint});
  }
  Outcome outcome =
      error.retry() == HdfsRetry::slowly ? Outcome::refuse(error) : Outcome::fail(error);
  outcome.waiting_for = error.waiting_for;
  return outcome;
}

class WebHdfsPart final : public Part {
 public:
  WebHdfsPart(Place& place, const FileNames& names)
      : place_(place), names_(names), spool_(place.spool) {}
  WebHdfsPart(const WebHdfsPart&) = delete;
  WebHdfsPart& operator=(const WebHdfsPart&) = delete;
  ~WebHdfsPart() override { discard(); }

  Outcome write(std::string& buffer) override { return spool_.write(buffer); }

  Outcome commit(std::string& rest, std::uint64_t& counter) override {
    if (!is_complete_) {
      Outcome outcome = spool_.complete(rest);
      if (outcome.kind != Outcome::Kind::done) {
        return outcome;
      }
      is_complete_ = true;
    }
    Clients::Lease client(place_.clients);
    const std::string directory = place_.directory(names_);
    if (!is_uploaded_) {
      Outcome outcome = upload(client, directory, counter);
      if (outcome.kind != Outcome::Kind::done) {
        return outcome;
      }
    }
    for (int taken = 0;;) {
      const HdfsStatus renamed =
          client->rename(temporary_, directory + "/" + names_.final_name(counter), uploaded_);
      if (renamed) {
        break;
      }
      if (renamed.error().trouble == HdfsTrouble::exists) {
        ++counter;
        if (++taken < kMaxTaken) {
          continue;
        }
        return taken_outcome(renamed.error());
      }
      if (renamed.error().trouble == HdfsTrouble::missing) {
        // The directory is gone, or the temporary: it is uploaded again from the spool, and the old
        // one removed, if there is one.
        is_uploaded_ = false;
      }
      return outcome_of(renamed.error());
    }
    temporary_.clear();
    remove_leftovers(client);
    spool_.release();
    return {};
  }

  void discard() override {
    if (!temporary_.empty()) {
      leftovers_.push_back(std::move(temporary_));
    }
    for (const std::string& leftover : leftovers_) {
      if (place_.is_removal_hopeless) {
        break;
      }
      Clients::Lease client(place_.last_clients);
      const auto removed = client->remove(leftover, false);
      if (!removed && removed.error().kind == ErrorClass::unavailable) {
        place_.is_removal_hopeless = true;  // the sweep of a later run finds them
      }
    }
    leftovers_.clear();
    temporary_.clear();
    spool_.release();
  }

 private:
  // A repeated attempt takes a new name: the old one may be half written or still open.
  Outcome upload(Clients::Lease& client, const std::string& directory, std::uint64_t counter) {
    if (!temporary_.empty()) {
      if (leftovers_.size() < kMaxLeftovers) {
        leftovers_.push_back(std::move(temporary_));
      }
      remove_leftovers(client);
    }
    temporary_ = directory + "/" + temporary_name(names_.final_name(counter));
    WebHdfs::Upload upload = place_.upload;
    upload.fd = spool_.fd();
    upload.length = spool_.length();
    if (const HdfsStatus created = client->create(temporary_, upload); !created) {
      return outcome_of(created.error());
    }
    const auto status = client->status(temporary_);
    if (!status) {
      return outcome_of(status.error());
    }
    if (!*status || (*status)->length != upload.length) {
      return Outcome::fail(
          {ErrorClass::unavailable,
           "the upload of '" + temporary_ + "' is incomplete: " +
               (*status ? std::to_string((*status)->length) + " of " : std::string("none of ")) +
               std::to_string(upload.length) + " bytes",
           {}});
    }
    uploaded_ = **status;
    is_uploaded_ = true;
    return {};
  }

  // Of earlier attempts. What cannot be removed now is tried again with the next attempt.
  void remove_leftovers(Clients::Lease& client) {
    while (!leftovers_.empty() && client->remove(leftovers_.back(), false)) {
      leftovers_.pop_back();
    }
  }
  static constexpr std::size_t kMaxLeftovers = 32;  // more are for the sweep of a later run
  static constexpr int kMaxTaken = 64;              // names tried before a pause

  // A server that calls every name taken must not be asked without a pause.
  static Outcome taken_outcome(const HdfsError& error) {
    Outcome outcome = Outcome::fail(
        {ErrorClass::unavailable,
         error.message + "; nor was any of the " + std::to_string(kMaxTaken - 1) +
             " names before it free",
         "does another writer use this prefix, or does the server call every name taken? "
         "--file-prefix sets another"});
    outcome.waiting_for = "a free name for a file";
    return outcome;
  }

  Place& place_;
  const FileNames& names_;
  SpoolFile spool_;
  bool is_complete_ = false;
  bool is_uploaded_ = false;
  std::string temporary_;               // absolute; while one may exist
  std::vector<std::string> leftovers_;  // names of attempts before
  WebHdfs::FileStatus uploaded_;        // as it was when it was whole
};

class WebHdfsStore final : public Store {
 public:
  explicit WebHdfsStore(WebHdfsStoreSettings settings)
      : settings_(std::move(settings)),
        place_(with_session(settings_.client), settings_.spool_dir, settings_.spool_bytes) {
    place_.upload = settings_.upload;
  }

  // The home directory is asked for even where it is not needed: who we are and whether anybody
  // answers is better known before the first event is read.
  Status open(bool dry_run) override {
    if (Status usable = place_.spool.check(); !usable) {
      return usable;
    }
    const std::int64_t give_up = monotonic_ms() + settings_.grace_ms;
    const std::atomic<bool>& stop = dry_run ? stop_requested() : place_.clients.cancelled();
    WebHdfs::Settings first = place_.clients.settings();
    first.cancel = &stop;
    WebHdfs client(first);
    bool said = false;
    for (std::int64_t pause = 200;; pause = std::min<std::int64_t>(pause * 2, 2'000)) {
      const HdfsResult<std::string> home = client.home_directory();
      if (home) {
        place_.base = settings_.base.starts_with('/') ? settings_.base
                      : settings_.base.empty()        ? *home
                                                      : *home + "/" + settings_.base;
        return {};
      }
      Error error = home.error();
      error.hint = error.hint.empty() ? settings_.hint : error.hint;
      if (error.kind != ErrorClass::unavailable || monotonic_ms() + pause > give_up) {
        return error;
      }
      if (!said) {
        log(LogLevel::warning, error.message + "; trying again for " +
                                   to_string(Duration{settings_.grace_ms}) +
                                   (error.hint.empty() ? "" : "; " + error.hint));
        said = true;
      }
      const std::int64_t next = monotonic_ms() + pause;
      while (monotonic_ms() < next && !stop) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }

  bool is_remote() const override { return true; }

  std::string_view rule() const override { return "hdfs closed and renamed"; }

  std::string place() const override {
    std::string text = "hdfs at ";
    for (std::size_t i = 0; i < settings_.client.endpoints.size(); ++i) {
      text += i == 0 ? "" : ", ";
      text += settings_.client.endpoints[i];
    }
    return text + " as " + settings_.client.user;
  }

  std::string base() const override { return place_.base; }

  std::unique_ptr<Part> part(const FileNames& names, std::uint64_t) override {
    return std::make_unique<WebHdfsPart>(place_, names);
  }

  void sweep(const std::string& directory, std::int64_t age_ms) override {
    Clients::Lease client(place_.clients);
    FileNames names;
    names.directory = directory;
    const std::string path = place_.directory(names);
    const auto files = client->list(path.empty() ? "/" : path);
    if (!files) {
      return;  // a directory that does not exist yet, or a server that is away: nothing to sweep
    }
    for (const WebHdfs::FileStatus& file : *files) {
      if (!file.is_directory && is_temporary_name(file.name) &&
          file.modified_ms < wall_ms() - age_ms) {
        (void)client->remove(path + "/" + file.name, false);
      }
    }
  }

  bool has_room() const override { return place_.spool.has_room(); }
  bool commit_frees_room() const override { return true; }
  void cancel() override { place_.clients.cancel(); }
  void log_out() override {
    if (!place_.is_removal_hopeless) {
      Clients::Lease(place_.last_clients)->log_out();
    }
  }

 private:
  WebHdfsStoreSettings settings_;
  Place place_;
};

}  // namespace

Result<WebHdfsStoreSettings> webhdfs_store_settings(const HdfsOptions& options,
                                                    const HdfsLocation& location) {
  constexpr std::int64_t kNoLimitMs = 24 * 3'600'000LL;
  WebHdfsStoreSettings settings;
  WebHdfsSettings& client = settings.client;
  client.endpoints = location.endpoints;
  client.httpfs = location.httpfs;
  client.kerberos = location.kerberos;
  client.user = location.user;
  client.service = location.service;
  client.proxy_user = options.proxy_user;
  client.keytab = options.kerberos_keytab;
  client.principal = options.kerberos_principal;
  client.token_file = options.token_file;
  client.tls = {options.cacert, options.cert, options.key};
  client.use_proxy = options.use_proxy;
  client.call_timeout_ms = options.call_timeout.ms > 0 ? options.call_timeout.ms : kNoLimitMs;
  Result<std::vector<HttpAddressMap>> map = parse_address_map(options.connect_to);
  if (!map) {
    return Error{ErrorClass::config, "--connect-to: " + map.error().message, map.error().hint};
  }
  client.connect_map = std::move(*map);
  WebHdfs::Upload& upload = settings.upload;
  if (!options.permission.empty()) {
    upload.permission = options.permission.substr(options.permission.size() - 3);
  }
  upload.block_size = options.block_size.value;
  upload.replication = static_cast<int>(options.replication);
  upload.sync_block = options.sync_block;
  settings.hint = location.hint;
  settings.spool_dir = options.spool_dir;
  settings.spool_bytes = options.spool_size.value;
  return settings;
}

std::unique_ptr<Store> make_webhdfs_store(WebHdfsStoreSettings settings) {
  return std::make_unique<WebHdfsStore>(std::move(settings));
}

}  // namespace fl
