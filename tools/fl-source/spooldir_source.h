// The spooldir source: reads files of a directory, and settles each when its events are
// acknowledged.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/units.h"
#include "common/io/local_dir.h"
#include "common/stage/component.h"
#include "common/stage/line_rules.h"
#include "tools/fl-source/line_file.h"
#include "tools/fl-source/spool_scan.h"
#include "tools/fl-source/spool_tracker.h"

namespace fl {

struct SpooldirOptions {
  std::string spool_dir;
  bool once = false;
  std::string file_suffix = ".COMPLETED";
  std::string delete_policy = "never";
  std::string tracking_policy = "rename";
  std::string tracker_dir = ".flumespool";
  bool file_header = false;
  std::string file_header_key = "file";
  bool basename_header = false;
  std::string basename_header_key = "basename";
  std::string include_pattern = "^.*$";
  std::string ignore_pattern = "^$";
  std::string consume_order = "oldest";
  bool recursive = false;
  Duration poll_delay{500};
  std::string deserializer = "LINE";
  std::uint64_t max_line_length = 0;
  std::string input_charset = "UTF-8";
  std::string output_charset = "UTF-8";
  std::string decode_error_policy = "FAIL";
  std::uint64_t batch_size = 100;
  std::uint64_t max_backoff = 4000;
};

/// What must be the same for a file to be the one that was opened.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t size = 0;
  std::int64_t mtime_ns = 0;

  static Identity of(const struct stat& info) {
    return {info.st_dev, info.st_ino, info.st_size,
            std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
  }
  friend bool operator==(const Identity&, const Identity&) = default;
};

class SpooldirSource final : public Source {
 public:
  explicit SpooldirSource(SpooldirOptions options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  bool has_state() const override { return true; }
  Status acked(std::uint64_t n) override;
  bool whole() const override { return failed_.empty(); }
  void stop() override { stopped_ = true; }
  Status close() override;
  std::int64_t deadline_ms() const override { return wake_at_ms_; }
  std::string summary() const override;

 private:
  /// A file that was opened and is not completely acknowledged.
  struct InFlight {
    std::string path;  // relative to the spool directory
    Identity identity;
    std::uint64_t first = 0;         // number of its first event
    std::uint64_t end = 0;           // number behind its last event so far
    std::uint64_t start_offset = 0;  // of its first event
    bool read = false;               // wholly
    bool failed = false;             // stays as it is; nothing is recorded of it
  };
  /// A place inside a file at the end of a block.
  struct Checkpoint {
    std::uint64_t events = 0;
    std::uint64_t offset = 0;
  };

  Status open_directories();
  Status lock();
  Status load_tracker();
  Status scan();
  void open_next();
  Status finish_reading();
  Status settle();
  Status complete(const InFlight& file);
  Status record_progress(const InFlight& file);
  Result<std::uint64_t> offset_of(const InFlight& file, std::uint64_t events);
  Status forget_mark(const InFlight& file);
  void fail_file(InFlight& file, const Error& error);
  Error name_taken(std::string_view path) const {
    return {ErrorClass::io,
            "cannot rename '" + absolute(path) + "': '" + std::string(base_name(path)) +
                options_.file_suffix + "' exists",
            "a file of the same name was delivered before; move one of them away"};
  }
  void make_headers(const std::string& path);

  std::string absolute(std::string_view path) const { return root_path_ + "/" + std::string(path); }
  Result<UniqueFd> open_file(std::string_view path) const;
  Result<LocalDir> directory_of(std::string_view path) const {
    return root_->below(parent_of(path), LocalDir::Missing::fail);
  }
  bool renames() const {
    return options_.delete_policy == "never" && options_.tracking_policy == "rename";
  }
  bool marks() const {
    return options_.delete_policy == "never" && options_.tracking_policy == "tracker_dir";
  }
  bool is_marked(std::string_view path) const;
  std::size_t left() const { return queue_.size() + in_flight_.size() + failed_.size(); }

  const SpooldirOptions options_;
  EventLimits limits_;
  LineRules rules_;
  bool dry_run_ = false;

  std::optional<LocalDir> root_;
  std::string root_path_;  // absolute, without a slash at the end
  std::optional<LocalDir> tracker_dir_;
  UniqueFd lock_;
  std::optional<SpoolTracker> tracker_;
  std::optional<SpoolMark> begun_;  // by an earlier run; not opened yet
  std::string tracked_;             // relative path that the tracker file names now

  std::optional<SpoolScan> scanner_;
  std::deque<SpoolFile> queue_;
  bool scanned_ = false;
  bool more_to_scan_ = false;
  std::int64_t wake_at_ms_ = -1;

  std::optional<LineFile> lines_;
  std::optional<LineFile> finder_;  // for offset_of()
  std::string map_;                 // the encoded headers of the file that is read
  bool reading_ = false;            // in_flight_.back() is read
  bool first_event_ = false;        // of a file read from its start: an empty one is an event
  std::deque<InFlight> in_flight_;
  std::deque<Checkpoint> checkpoints_;  // of all files in flight, ascending
  std::uint64_t produced_ = 0;
  std::uint64_t acked_ = 0;

  std::uint64_t completed_ = 0;
  std::set<std::string, std::less<>> failed_;
  std::optional<ErrorClass> failure_;
  bool stopped_ = false;
};

}  // namespace fl
