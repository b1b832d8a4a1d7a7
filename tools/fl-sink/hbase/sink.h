// The hbase sink: events as rows, through the REST gateway, each batch answered before the next.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/access/tls_options.h"
#include "common/base/units.h"
#include "common/component/component.h"
#include "common/compress/stream_compressor.h"
#include "common/http/posts.h"
#include "common/net/retry.h"
#include "common/option/secret.h"
#include "tools/fl-sink/hbase/login.h"
#include "tools/fl-sink/hbase/row_maker.h"
#include "tools/fl-sink/https.h"

namespace fl {

struct HBaseSinkOptions {
  std::string table;
  HBaseRowOptions rows;
  std::vector<std::string> gateways;
  std::uint64_t batch_size = 1000;
  bool put_if_absent = false;
  std::string increment_column;
  std::string increment_row = "incRow";
  bool gzip = false;
  Bytes max_cell{10 << 20};
  Duration connect_timeout{5'000};
  Duration request_timeout{60'000};
  bool coalesces = false;
  bool enable_wal = true;
  std::string zookeeper_quorum;
  std::string znode_parent;
  std::string auth = "auto";
  std::string kerberos_principal;
  std::string kerberos_keytab;
  std::string user;
  Secret password;
  TlsOptions tls;  ///< of https
  GivenOptions given;
};

/// An event becomes a row when it comes in, so whatever is sent again is the same cells. Rows wait
/// as the requests that they will be sent in; the first is in flight, the last is filled up to
/// --batch-size. A request that the gateway refuses is cut in two, until the row is found.
class HBaseSink final : public Sink {
 public:
  explicit HBaseSink(HBaseSinkOptions options)
      : options_(std::move(options)), maker_(options_.rows) {}

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  Status deliver(const Batch& batch) override;
  bool ready() const override { return held_ < kMaxHeld; }
  std::uint64_t safe() const override { return safe_; }
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  void reopen() override;
  Status close() override;
  std::optional<Error> missing() const override { return why_; }
  bool works() const override { return is_busy(); }
  std::string status() const override;
  void figures(FigureList& out) const override;

 private:
  static constexpr std::size_t kMaxHeld = 8 << 20;
  static constexpr std::size_t kMaxRequest = 2 << 20;

  struct Sizes {
    std::uint32_t event = 0;
    std::uint32_t row = 0;
  };
  struct Request {
    std::string events;
    std::string rows;
    std::vector<Sizes> sizes;
    std::uint64_t rejected = 0;  // of its events, before it was sent
    std::uint64_t to_count = 0;  // rows that are stored, but not counted by --increment-column
    std::uint64_t count() const { return sizes.size() + rejected + to_count; }
    std::size_t held() const { return events.size() + rows.size() + sizes.size() * sizeof(Sizes); }
  };
  enum class Asking { schema, state, put, increment };

  Status check_options();
  Status check_effects() const;
  Request& open_request(std::size_t bytes);
  void connect(Asking what);
  // In a Flume file the column has a default, which must not touch what cannot be counted.
  bool counts() const {
    return !options_.increment_column.empty() && options_.rows.serializer == "simple" &&
           !options_.put_if_absent;
  }
  bool is_busy() const { return (posts_ && posts_->is_busy()) || login_.is_busy(); }
  bool has_work() const { return !schema_seen_ || asks_state_ || !requests_.empty(); }
  Status look();
  Status go_on();
  void send();
  std::string url() const;
  Status take_outcome(const PostOutcome& outcome);
  Status take_schema(const PostOutcome& outcome);
  Status take_state(const PostOutcome& outcome);
  Status take_state_of_dry_run(const PostOutcome& outcome);
  Error final_error_of(const PostOutcome& outcome) const;
  Status take_login();
  std::int64_t login_give_up_at() const;
  Status trouble(Error why, bool needs_person, const PostOutcome& outcome);
  Status refuse(const PostOutcome& outcome);
  void stored();
  void finish_request();
  void end_trouble();
  Error error_of(const PostOutcome& outcome) const;
  bool is_ended() const { return input_over_ && input_over_(); }

  const HBaseSinkOptions options_;
  HBaseRowMaker maker_;
  Https https_;
  HBaseLogin login_;
  std::vector<std::string> shown_;  // of each gateway
  std::string rule_;
  EventLimits event_limits_;
  RetryLimits limits_;
  std::function<bool()> input_over_;
  Rejects* rejects_ = nullptr;
  std::unique_ptr<StreamCompressor> gzip_;

  std::size_t gateway_ = 0;  // which one is used
  std::size_t failed_ = 0;   // how many failed since the last answer
  std::unique_ptr<HttpPosts> posts_;
  Asking asking_ = Asking::schema;  // what posts_ is for
  bool schema_seen_ = false;
  bool asks_state_ = false;  // whether the table is disabled is asked next
  int unread_ = 0;           // requests in a row that the gateway says it cannot read
  std::deque<Request> requests_;
  std::string body_;  // of the request that is in flight
  HBaseRow row_;
  std::size_t held_ = 0;
  std::uint64_t safe_ = 0;
  bool is_open_ = false;
  bool is_dry_run_ = false;

  Retry retry_;
  DeliveryAlarm alarm_;
  std::optional<Error> why_;  // the last failure, while it lasts

  std::uint64_t sent_requests_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t stored_ = 0;
  std::uint64_t existed_ = 0;
  std::uint64_t rejected_ = 0;
};

}  // namespace fl
