// The avro sink: batches to a server, each answered before the next is sent.
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
#include "common/fanout/output_options.h"
#include "common/net/retry.h"
#include "common/net/tcp_dialer.h"
#include "tools/fl-sink/avro/link.h"

namespace fl {

struct AvroSinkOptions {
  std::vector<std::string> hosts;  // HOST:PORT
  std::string hostname;            // and port: as Flume's properties have them
  std::uint64_t port = 0;
  std::uint64_t batch_size = 100;
  Duration connect_timeout{20'000};
  Duration request_timeout{20'000};
  Duration reset_interval{0};
  std::string compression = "none";
  std::uint64_t compression_level = 6;
  std::string max_io_workers;
  std::uint64_t attempts = 0;  // 0: no limit
  bool failover = false;
  bool balance = false;
  std::string client_type = "default";
  std::string host_selector = "round_robin";
  bool backoff = true;
  Duration max_backoff{30'000};
  std::string max_attempts;
  Bytes capacity = kKeptBytes;
  TlsOptions tls;
};

/// Events wait as the requests that they will be sent in. The first one is in flight; those after
/// it are filled up to --batch-size. A request stays until it is answered with OK, whatever happens
/// to its connection.
class AvroSink final : public Sink {
 public:
  explicit AvroSink(AvroSinkOptions options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  Status deliver(const Batch& batch) override;
  bool ready() const override { return held_ < kMaxHeld; }
  std::uint64_t safe() const override { return safe_; }
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Status close() override;
  void reopen() override;
  std::optional<Error> missing() const override;
  bool works() const override { return link_ && link_->is_busy(); }
  std::string status() const override;
  void figures(FigureList& out) const override;

 private:
  static constexpr std::size_t kMaxHeld = 4 << 20;
  static constexpr std::size_t kMaxRequest = 1 << 20;

  struct Request {
    std::string events;
    std::uint64_t count = 0;
  };

  Status find_server();
  void add(std::string_view bytes);
  Status connected(UniqueFd fd);
  Status serve_link();
  bool wants_to_send() const { return !requests_.empty() && (!link_ || !link_->is_busy()); }
  Status go_on();
  Status take_outcome(const RpcOutcome& outcome);
  Status trouble(Error why, bool needs_person);
  void disconnect();
  bool is_ended() const { return input_over_ && input_over_(); }

  const AvroSinkOptions options_;
  HostPort where_;
  std::shared_ptr<TlsContext> tls_;
  std::string rule_;
  RetryLimits limits_;
  std::function<bool()> input_over_;

  std::deque<Request> requests_;
  std::string spare_;  // memory for the events of a request
  std::size_t held_ = 0;
  std::uint64_t safe_ = 0;

  TcpDialer dialer_;
  std::unique_ptr<AvroLink> link_;
  int index_ = -1;
  std::int64_t connected_ms_ = 0;
  std::int64_t ready_due_ms_ = -1;  // the handshake of TLS
  std::int64_t reply_due_ms_ = -1;

  Retry retry_;
  DeliveryAlarm alarm_;
  std::optional<Error> why_;  // the last failure, while it lasts

  std::uint64_t sent_requests_ = 0;
  std::uint64_t connections_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace fl
