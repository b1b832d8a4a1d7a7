// The netcat source: clients of a TCP server whose lines become events.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/access/access_options.h"
#include "common/access/tls_options.h"
#include "common/base/units.h"
#include "common/component/component.h"
#include "common/net/event_ledger.h"
#include "common/net/repeated_warning.h"
#include "common/net/tcp_server.h"
#include "tools/fl-source/line_charset.h"
#include "tools/fl-source/netcat_connection.h"

namespace fl {

struct NetcatOptions {
  std::string bind = "localhost";
  std::uint64_t port = 0;
  std::uint64_t max_line_length = 512;
  bool ack_every_event = true;
  std::string encoding = "utf-8";
  std::string ack_at = "put";
  std::uint64_t max_connections = 1000;
  Duration idle_timeout{0};
  TlsOptions tls;
  AccessOptions access;
};

/// Joins three things: the server knows sockets, NetcatConnection the lines and answers of one
/// client, the ledger which answers are due.
///
/// A client is waited for (EPOLLIN) unless it has ended, or its lines found no room. Of those that
/// found no room each holds one read; they are served first, in order. While the ledger is full
/// nobody is read.
class NetcatSource final : public Source {
 public:
  explicit NetcatSource(NetcatOptions options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  /// A client that got no OK can send its line again.
  bool has_state() const override { return options_.ack_at == "sink"; }
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

 private:
  using Id = std::uint64_t;

  bool has_lines() const { return !waiting_.empty() && !ledger_.full(); }
  Status serve_due(BlockBuilder& out);
  bool take_waiting(BlockBuilder& out);
  Status serve(const TcpServer::Event& event, BlockBuilder& out);
  void read(Id id, NetcatConnection& client, BlockBuilder& out);
  bool take_lines(Id id, NetcatConnection& client, BlockBuilder& out);
  std::optional<std::string_view> converted(NetcatConnection& client);
  void refuse(NetcatConnection& client);
  void answer(std::uint64_t n);
  void serve_client(Id id, NetcatConnection& client);
  void limit_idleness(Id id, NetcatConnection& client);
  void be_late(Id id, NetcatConnection& client);
  void remove(Id id);
  void report_loss(const NetcatConnection& client);
  void send_last_answers();

  const NetcatOptions options_;
  EventLimits limits_;
  LineFormat format_;
  std::optional<LineCharset> charset_;
  std::string converted_;

  std::unique_ptr<TcpServer> server_;
  bool has_room_ = false;
  bool ready_ = false;
  std::unordered_map<Id, std::unique_ptr<NetcatConnection>> clients_;
  std::deque<Id> waiting_;  // have lines that found no room
  EventLedger ledger_;
  std::uint64_t produced_ = 0;

  std::uint64_t accepted_ = 0;  // when the server is gone
  std::uint64_t left_ = 0;      // bytes that had come in and were not read when we stopped
  std::uint64_t too_long_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t dropped_answers_ = 0;
  RepeatedWarning resets_;
  RepeatedWarning idle_;
};

}  // namespace fl
