// The http source: requests whose bodies become events.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/access/access_options.h"
#include "common/access/tls_options.h"
#include "common/base/units.h"
#include "common/component/component.h"
#include "common/compress/stream_decompressor.h"
#include "common/microhttpd/http_server.h"
#include "common/net/event_ledger.h"
#include "common/net/repeated_warning.h"
#include "common/option/secret.h"
#include "tools/fl-source/http/body_handler.h"
#include "tools/fl-source/http/http_auth.h"

namespace fl {

struct HttpSourceOptions {
  std::string bind = "localhost";
  std::uint64_t port = 0;
  std::string handler = "json";
  std::uint64_t max_blob = 100'000'000;
  std::string mandatory;
  std::string ack_at = "auto";
  std::string health = "/health";
  std::string user;
  Secret password;
  Secret token;
  std::uint64_t max_connections = 1000;
  Bytes max_body{16 << 20};
  Duration head_timeout{10'000};
  Duration body_timeout{20'000};
  Duration idle_timeout{60'000};
  Duration busy_after{10'000};
  AccessOptions access;
  TlsOptions tls;
  PropertyMap jetty;
};

/// Joins three things: the server knows HTTP, the BodyHandler what a body holds, the ledger which
/// answers are due.
///
/// A request is read whole, made into events, and waits in a queue; its events are handed on
/// together, and it is answered when they are acknowledged. One connection has one request at a
/// time. A request that waits in the queue for too long is answered 503, and none of its events is
/// passed on.
///
/// Memory: all requests together hold at most kBudget bytes and one request. Above that only one
/// client is read, the first of those that hold some; the bytes of the others stay in their
/// sockets.
class HttpSource final : public Source, private HttpUser {
 public:
  explicit HttpSource(HttpSourceOptions options);
  ~HttpSource() override { server_.reset(); }  // it calls over(), which needs the rest
  HttpSource(const HttpSource&) = delete;
  HttpSource& operator=(const HttpSource&) = delete;

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  /// A client sends again what was not answered.
  bool has_state() const override { return options_.ack_at != "put"; }
  Status acknowledged_by(const Guarantee& guarantee) override;
  Status acked(std::uint64_t n) override;
  void stop() override;
  void reopen() override;
  Status close() override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  bool ready() const override { return has_work(); }
  std::string summary() const override;
  void figures(FigureList& out) const override;

 private:
  using Id = std::uint64_t;

  struct Request {
    BodyHead head;
    std::string body;
    std::unique_ptr<StreamDecompressor> unpacker;
    EncodedEvents events;
    std::size_t counted = 0;     // of what it holds
    std::int64_t since_ms = -1;  // in the queue
  };

  /// The request whose events are being handed on.
  struct Current {
    EncodedEvents events;
    std::size_t next = 0;
    std::size_t offset = 0;
  };

  std::optional<HttpAnswer> head(Id client, const HttpHead& head) override;
  bool can_take(Id client) override;
  std::optional<HttpAnswer> body(Id client, std::string_view bytes) override;
  std::optional<HttpAnswer> whole(Id client) override;
  void over(Id client, bool is_gone) override;

  Status check_options() const;
  void warn_of_strangers() const;
  std::optional<HttpAnswer> check_head(const HttpHead& head) const;
  std::optional<HttpAnswer> unpack(Request& request, std::string_view bytes);
  HttpAnswer too_large() const;
  HttpAnswer busy(const std::string& why) const;
  void note_refused(Id client, const HttpAnswer& answer);
  bool has_work() const { return current_ || (!waiting_.empty() && !ledger_.full()); }
  bool hand_on(BlockBuilder& out);
  bool take_requests(BlockBuilder& out);
  void answer(std::uint64_t n);
  void refuse_old();
  void count_held(Id client, Request& request);
  void unpark();

  HttpSourceOptions options_;
  EventLimits limits_;
  HttpAuth auth_;
  std::unique_ptr<BodyHandler> handler_;
  std::unique_ptr<HttpServer> server_;
  bool is_stopping_ = false;

  std::unordered_map<Id, Request> requests_;  // that are read or wait
  std::deque<Id> waiting_;                    // whole; some of them may be gone
  std::set<Id> unanswered_;                   // handed on
  std::set<Id> holders_;                      // hold bytes
  std::vector<Id> parked_;
  std::size_t held_ = 0;
  std::optional<Current> current_;
  EventLedger ledger_;
  std::uint64_t produced_ = 0;
  std::uint64_t acked_ = 0;

  std::uint64_t accepted_ = 0;  // when the server is gone
  std::uint64_t late_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t replied_ = 0;
  RepeatedWarning rejected_;
};

}  // namespace fl
