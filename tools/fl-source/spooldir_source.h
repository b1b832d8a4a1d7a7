// The spooldir source: reads files of a directory, and settles each when its events are
// acknowledged.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "common/base/units.h"
#include "common/component/component.h"
#include "common/component/line_rules.h"
#include "common/io/local_dir.h"
#include "tools/fl-source/line_file.h"
#include "tools/fl-source/spool_ledger.h"
#include "tools/fl-source/spool_lock.h"
#include "tools/fl-source/spool_position.h"
#include "tools/fl-source/spool_probe.h"
#include "tools/fl-source/spool_scan.h"
#include "tools/fl-source/spool_text.h"
#include "tools/fl-source/spool_tracker.h"
#include "tools/fl-source/spool_watch.h"

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
  std::string min_age = "auto";
  std::string decompress = "none";
  std::string deserializer = "LINE";
  std::uint64_t max_line_length = 0;
  std::string input_charset = "UTF-8";
  std::string output_charset = "UTF-8";
  std::string decode_error_policy = "FAIL";
  std::uint64_t batch_size = 100;
  std::uint64_t max_backoff = 4000;
};

class SpooldirSource final : public Source {
 public:
  explicit SpooldirSource(SpooldirOptions options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  bool has_state() const override { return true; }
  std::string position_name() const override { return "spooldir:" + root_path_; }
  Status resume(const std::optional<std::string>& place) override;
  std::optional<std::string> position() override;
  Status acked(std::uint64_t n) override;
  Status handle(const PollSet& set) override;
  void stop() override { stopped_ = true; }
  Status close() override;
  bool needs_acks() const override { return options_.once || is_full(); }
  int wait_fd() const override { return waits_for_files_ ? watch_.fd() : -1; }
  std::int64_t deadline_ms() const override { return wake_at_ms_; }
  std::string summary() const override;

 private:
  /// A file that was opened and is not completely acknowledged.
  struct InFlight {
    std::string path;  // relative to the spool directory
    Identity identity;
    std::string name;  // for positions
    Compression compression = Compression::none;
    std::uint64_t first = 0;         // number of its first event
    std::uint64_t end = 0;           // number after its last event so far
    std::uint64_t start_offset = 0;  // of its first event
    bool read = false;               // wholly
    bool failed = false;             // stays as it is
    bool incomplete = false;         // lines of it were rejected, and nobody kept them
    bool delivered = false;          // failed, but the ledger says that all of it is delivered
  };
  /// A place inside a file at the end of a block.
  struct Checkpoint {
    std::uint64_t events = 0;
    std::uint64_t offset = 0;
  };
  /// A file that somebody writes to, or may.
  struct Unfinished {
    std::int64_t due_ms = 0;    // when it is looked at again
    std::int64_t delay_ms = 0;  // for the time after that
  };
  /// An open file before its first event.
  struct Candidate {
    std::string path;
    std::optional<LocalDir> directory;  // empty: the root
    UniqueFd fd;
    struct stat info {};
    std::string head;  // its first bytes
  };

  // Start.
  Status check_options();
  Status open_directories();
  Status open_records();

  // Which file comes next.
  Status look_for_files();
  Status scan();
  Status take_changes();
  Status check_root() const;
  void add_file(SpoolFile file);
  Status add_named(const std::string& path);
  Status again_when_due();
  std::int64_t next_look_ms() const;

  // From a name to the first event.
  void open_next();
  bool open_candidate(Candidate& file);
  bool is_unfinished(const Candidate& file);
  bool settle_delivered(const Candidate& file);
  bool settle_kept(const Candidate& file);
  std::uint64_t kept_offset(const InFlight& file, const TextForm& form);
  bool is_full() const;
  Status check_target(const Candidate& file) const;
  Status read_head(Candidate& file) const;
  Result<TextForm> form_of(const Candidate& file) const;
  Status check_text(const Candidate& file, const TextForm& form) const;
  void begin(Candidate file, const TextForm& form);
  void lines_start(SpoolText text);
  void check_slice();
  Status finish_reading();
  void make_headers(const std::string& path);

  // As acknowledgements come.
  Status settle();
  Status complete(const std::string& path, const Identity& identity);
  Status rename_or_mark(const LocalDir& directory, const std::string& path);
  void remember_settled(const std::string& path, const Identity& identity);
  bool check_settled(const SpoolLedger::Record& record);
  Status record_progress(InFlight& file);
  Result<std::uint64_t> offset_of(const InFlight& file, std::uint64_t events);
  Status start_finder(const InFlight& file);
  Status forget_mark(const InFlight& file);
  void fail_in_flight(InFlight& file, const Error& error);
  /// The file stays as it is, and the status will say so.
  void fail(const std::string& path, const Error& error);

  Error name_taken(std::string_view path) const;
  Error changed(std::string_view path, std::string_view when) const;
  TextForm form(Compression compression) const;
  std::string final_path(const std::string& path) const {
    return renames() ? path + options_.file_suffix : path;
  }
  std::string absolute(std::string_view path) const { return root_path_ + "/" + std::string(path); }
  Result<UniqueFd> open_file(std::string_view path) const;
  /// The directory that the file is in; where that is the root, `opened` stays empty.
  Result<const LocalDir*> directory_of(std::string_view path, std::optional<LocalDir>& opened,
                                       int* number = nullptr) const;
  bool renames() const {
    return options_.delete_policy == "never" && options_.tracking_policy == "rename";
  }
  SpoolPlace place_of(const InFlight& file) const;
  bool marks() const {
    return options_.delete_policy == "never" && options_.tracking_policy == "tracker_dir";
  }
  bool is_marked(std::string_view path) const;
  std::size_t unread() const;

  const SpooldirOptions options_;
  EventLimits limits_;
  LineRules rules_;
  std::string charset_;        // iconv's name; empty: bytes pass
  std::int64_t min_age_ = -1;  // -1: only where nothing else says that a file is complete
  bool any_bytes_ = false;     // --text: no look at what the bytes are
  bool dry_run_ = false;
  bool terminal_ = false;  // stderr is one

  std::optional<LocalDir> root_;
  std::string root_path_;  // absolute, without a slash at the end
  std::optional<LocalDir> tracker_dir_;
  SpoolLock lock_;
  std::optional<SpoolTracker> tracker_;
  std::optional<SpoolLedger> ledger_;
  std::optional<SpoolMark> begun_;  // by an earlier run; not opened yet
  std::string tracked_;             // relative path that the tracker file names now

  std::optional<SpoolScan> scanner_;
  SpoolWatch watch_;
  std::deque<SpoolFile> queue_;
  std::unordered_set<std::string> known_;  // paths in the queue and in flight
  std::unordered_map<std::string, Unfinished> unfinished_;
  bool scanned_ = false;

  bool more_to_scan_ = false;  // the directory has more files than the queue takes
  bool waits_for_files_ = false;
  std::int64_t poll_at_ms_ = -1;  // the next scan where the watch does not notice everything
  std::int64_t wake_at_ms_ = -1;

  std::optional<SpoolText> check_;  // the file that is decoded to its end before it is read
  Rejects* rejects_ = nullptr;
  bool waits_for_rejects_ = false;  // settle() is to be called again
  std::optional<LineFile> lines_;
  std::uint64_t rejected_before_ = 0;  // lines of earlier files that nobody kept
  std::string map_;                    // the encoded headers of the file that is read
  bool reading_ = false;               // in_flight_.back() is read
  bool first_event_ = false;           // of a file read from its start: an empty one is an event
  std::deque<InFlight> in_flight_;
  std::deque<Checkpoint> checkpoints_;  // of all files in flight, ascending
  std::uint64_t produced_ = 0;
  std::uint64_t acked_ = 0;

  bool has_positions_ = false;                        // a durable stage below keeps them
  std::unordered_map<std::string, SpoolPlace> kept_;  // by file: of the last run, not seen yet

  std::optional<LineFile> finder_;  // for offset_of(): stays open at the last place found
  std::string finder_path_;
  std::uint64_t finder_events_ = 0;

  std::uint64_t completed_ = 0;
  std::set<std::string, std::less<>> failed_;
  std::uint64_t failures_ = 0;
  std::optional<ErrorClass> failure_;
  std::uint64_t malformed_ = 0;
  bool mark_said_ = false;
  bool stopped_ = false;
};

}  // namespace fl
