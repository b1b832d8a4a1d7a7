// --metrics: a stage's figures as a textfile for node_exporter, or over HTTP on request.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/page_server.h"
#include "common/io/poll_set.h"
#include "common/stage/metrics_text.h"

namespace fl {

/// Where --metrics points to.
struct MetricsPlace {
  std::string file;  ///< empty: HTTP
  std::string host;  ///< empty: loopback
  std::uint16_t port = 0;
};

/// FILE, HOST:PORT, [V6]:PORT or :PORT. What contains a slash is a file. Errors: usage.
Result<MetricsPlace> parse_metrics_place(std::string_view text);

/// Owned by the loop of the stage; all calls come from its thread. The loop makes a page when it is
/// asked to (due()), so that nothing is counted twice and no event costs anything.
class Metrics {
 public:
  struct Settings {
    std::string place;             ///< --metrics
    std::int64_t interval_ms = 0;  ///< --metrics-interval
    MetricsIdentity identity;      ///< without `name`
  };

  /// Checks the place, writes the first page there or begins to listen; prints the address on
  /// stderr. A directory that is missing or may not be written to is an error; a full disk is
  /// reported, but is not one.
  static Result<std::unique_ptr<Metrics>> start(Settings settings, const Figures& figures);
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  /// A page that was being written is gone; no temporary is left.
  ~Metrics();

  void watch(PollSet& set);
  /// After poll: a page is wanted now.
  bool due(const PollSet& set);
  /// The figures as they are now. A FILE holds the whole page under its name afterwards, or what it
  /// held before: it is replaced by rename, and not synced.
  void publish(const Figures& figures);
  /// The last page, with the exit status.
  void end(const Figures& figures, int exit_status);

 private:
  explicit Metrics(Settings settings) : settings_(std::move(settings)) {}

  Status open_file(const Figures& figures);
  Status open_server(const MetricsPlace& place, const Figures& figures);
  std::string page_now();
  Status write_file(const std::string& text);
  void report(const Status& written);

  Settings settings_;
  std::string file_;
  std::string temporary_;
  std::int64_t next_ms_ = -1;
  bool troubled_ = false;  // a failure to write was reported

  UniqueFd wake_;  // the server's thread wants a page
  int index_ = -1;
  std::mutex mutex_;  // guards what follows, shared with the server's thread
  std::condition_variable made_;
  std::string text_;
  std::int64_t text_ms_ = 0;  // monotonic
  std::uint64_t serial_ = 0;

  std::unique_ptr<PageServer> server_;  // last: its thread uses the members above
};

}  // namespace fl
