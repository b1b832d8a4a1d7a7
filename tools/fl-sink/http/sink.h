// The http sink: events as requests to a web server, each answered before the next is sent.
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
#include "common/http/posts.h"
#include "common/net/repeated_warning.h"
#include "common/net/retry.h"
#include "common/option/secret.h"
#include "tools/fl-sink/http/answer_rules.h"
#include "tools/fl-sink/https.h"

namespace fl {

struct HttpSinkOptions {
  std::string endpoint;
  std::string format = "body";
  std::uint64_t batch_size = 100;
  Duration connect_timeout{5'000};
  Duration request_timeout{5'000};
  std::string content_type;
  std::string accept = "text/plain";
  std::string user;
  Secret password;
  Secret token;
  PropertyMap rollback;
  PropertyMap backoff;
  PropertyMap increment;
  std::string default_rollback = "auto";
  bool default_backoff = true;
  bool default_increment = false;
  TlsOptions tls;  ///< of https
};

/// Events wait as the requests that they will be sent in. The first one is in flight; those after
/// it are filled up to --batch-size. A request stays until an answer decides about it. One that the
/// server refuses for good is cut in two, until the event is found that it refuses.
class HttpSink final : public Sink {
 public:
  explicit HttpSink(HttpSinkOptions options) : options_(std::move(options)) {}

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
  bool works() const override { return posts_ && posts_->is_busy(); }
  std::string status() const override;
  void figures(FigureList& out) const override;

 private:
  static constexpr std::size_t kMaxHeld = 4 << 20;
  static constexpr std::size_t kMaxRequest = 1 << 20;

  struct Request {
    std::string events;
    std::vector<std::uint32_t> sizes;
    std::uint64_t rejected = 0;  // of its events, before it was sent
    std::uint64_t count() const { return sizes.size() + rejected; }
  };

  Result<std::vector<std::string>> headers() const;
  std::optional<Error> unsendable(const Event& event) const;
  Request& open_request(std::size_t bytes);
  std::string body_of(const Request& request) const;
  bool wants_to_send() const { return !requests_.empty() && posts_ && !posts_->is_busy(); }
  Status go_on();
  Status take_outcome(const PostOutcome& outcome);
  Status trouble(Error why, bool needs_person, const PostOutcome& outcome);
  Status refuse(const PostOutcome& outcome);
  void finish_request();
  void end_trouble();
  Error answered(const PostOutcome& outcome) const;
  bool is_ended() const { return input_over_ && input_over_(); }

  const HttpSinkOptions options_;
  Https https_;
  std::string shown_;
  std::string rule_;
  AnswerRules rules_;
  EventLimits event_limits_;
  RetryLimits limits_;
  std::function<bool()> input_over_;
  Rejects* rejects_ = nullptr;

  std::unique_ptr<HttpPosts> posts_;
  std::deque<Request> requests_;
  std::string body_;  // of the request that is in flight
  std::size_t held_ = 0;
  std::uint64_t safe_ = 0;
  std::int64_t not_before_ms_ = 0;

  Retry retry_;
  DeliveryAlarm alarm_;
  std::optional<Error> why_;  // the last failure, while it lasts
  RepeatedWarning dropping_;

  std::uint64_t sent_requests_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t counted_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace fl
