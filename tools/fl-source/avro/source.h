// The avro source: RPC clients of Flume, or of fl, whose batches become events.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "common/access/access_options.h"
#include "common/access/tls_options.h"
#include "common/base/units.h"
#include "common/component/component.h"
#include "common/net/event_ledger.h"
#include "common/net/repeated_warning.h"
#include "common/net/tcp_server.h"
#include "tools/fl-source/avro/connection.h"
#include "tools/fl-source/avro/orphan_pause.h"
#include "tools/fl-source/avro/request_events.h"

namespace fl {

struct AvroSourceOptions {
  std::string bind = "localhost";
  std::uint64_t port = 0;
  std::string ack_at = "auto";
  std::string compression = "none";
  std::uint64_t max_connections = 1000;
  Bytes max_request{16 << 20};
  Duration request_timeout{20'000};
  Duration idle_timeout{0};
  std::string threads;
  TlsOptions tls;
  AccessOptions access;
};

/// Joins three things: the server knows sockets, AvroConnection the requests and replies of one
/// client, the ledger which replies are due.
///
/// A request is read whole, checked, and then copied into blocks, all of it before the next one:
/// its events are neighbours, and all of them are taken or none. Whole requests wait in a queue,
/// one of each client. Its client is not read meanwhile; nobody is read while the ledger is full.
///
/// While the next stage takes nothing, clients give up, close their connections and send again, so
/// what is read afterwards may be of clients that are long gone. Before a request is taken, one
/// whose client has ended is therefore set aside until it is known whether the client is there. And
/// if a client has gone whose events are not acknowledged, no request is taken until they are, or
/// for a while: what comes may be the same events again.
///
/// Memory: all clients together hold at most kBudget bytes of requests and one request. Above that
/// only one client is read, the first of those that hold some; the others are parked.
class AvroSource final : public Source {
 public:
  explicit AvroSource(AvroSourceOptions options);

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  /// A client sends again what got no reply.
  bool has_state() const override { return options_.ack_at != "put"; }
  Status acknowledged_by(const Guarantee& guarantee) override;
  Status acked(std::uint64_t n) override {
    answer(n);
    return {};
  }
  void reopen() override;
  void stop() override;
  Status close() override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  bool ready() const override { return ready_; }
  std::string summary() const override;
  void figures(FigureList& out) const override;

 private:
  using Id = std::uint64_t;

  bool has_work() const { return current_ || (!waiting_.empty() && takes_requests()); }
  bool takes_requests() const;
  Status check_options();
  void end_current();
  bool take_requests(BlockBuilder& out);
  void take_request(Id id, AvroConnection& client);
  bool has_client(Id id, AvroConnection& client);
  void ask(Id id, AvroConnection& client);
  void hear(Id id, AvroConnection& client);
  void abandon(Id id);
  void begin(Id id, AvroConnection& client, RpcCall call);
  std::string complaint(const RpcCall& call, bool is_batch, const Error& why) const;
  Status serve_due();
  void serve(const TcpServer::Event& event);
  void read(Id id, AvroConnection& client);
  void look_for_request(Id id, AvroConnection& client);
  void fail(Id id, AvroConnection& client, const Error& why);
  void late(Id id, AvroConnection& client);
  void answer(std::uint64_t n);
  void serve_client(Id id, AvroConnection& client);
  void set_deadline(Id id, AvroConnection& client);
  void remove(Id id);
  void count_held(Id id, AvroConnection& client);
  bool may_read(Id id) const;
  void unpark();
  void send_last_replies();
  void warn(RepeatedWarning& of, const std::string& text, const std::string& each);

  AvroSourceOptions options_;
  EventLimits limits_;  // of an event that comes; a header may be added
  EventLimits whole_limits_;
  AvroConnection::Settings settings_;
  KnownProtocols known_;

  std::unique_ptr<TcpServer> server_;
  bool has_room_ = false;
  bool ready_ = false;
  std::string spare_;  // memory of a finished request, for the next large one
  std::unordered_map<Id, std::unique_ptr<AvroConnection>> clients_;
  std::deque<Id> waiting_;  // have a whole request
  std::deque<Id> parked_;   // are not read: too much is held
  std::set<Id> holders_;    // hold bytes of requests
  std::set<Id> asked_;      // have ended; whether they are there is not known yet
  std::size_t held_ = 0;
  std::optional<RequestEvents> current_;  // its events are being handed on
  EventLedger ledger_;
  std::uint64_t produced_ = 0;
  std::uint64_t acked_ = 0;
  OrphanPause pause_;

  std::uint64_t accepted_ = 0;  // when the server is gone
  std::uint64_t requests_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t replied_ = 0;
  std::uint64_t abandoned_ = 0;
  RepeatedWarning damaged_;
  RepeatedWarning late_;
  RepeatedWarning rejected_;
};

}  // namespace fl
