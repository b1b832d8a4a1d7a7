// What the body of a request holds: Flume's handlers of its http source, and ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/event/event.h"
#include "common/microhttpd/http_server.h"

namespace fl {

struct BodyOptions {
  std::string kind;  ///< json, blob, body, ndjson, lines
  std::uint64_t max_blob = 100'000'000;
  std::vector<std::string> mandatory;
  char delimiter = '\n';  ///< of lines
  bool strip_cr = false;
  std::string client_header = {};  ///< each event gets it, with BodyHead::client; empty: none
};

/// The parts of a request that a handler looks at, until its body is here.
struct BodyHead {
  std::string content_type;  ///< as it was sent; empty: none
  Headers parameters;        ///< of the query
  std::string client;        ///< its address
};

/// Events as they are encoded in a stream, one after the other.
struct EncodedEvents {
  std::string bytes;
  std::vector<std::uint32_t> sizes;
};

/// Makes events of a body. All of them are within the limits.
class BodyHandler {
 public:
  BodyHandler(BodyOptions options, EventLimits limits);
  ~BodyHandler();

  /// The events, or the answer that refuses all of them.
  std::variant<EncodedEvents, HttpAnswer> events(const BodyHead& head, std::string_view body);

 private:
  using Outcome = std::variant<EncodedEvents, HttpAnswer>;

  Outcome plain_events(const BodyHead& head, std::string_view body);
  Outcome with_client(const EncodedEvents& events, const std::string& client);
  Outcome json(const BodyHead& head, std::string_view body);
  Outcome blob(const BodyHead& head, std::string_view body);
  Outcome ndjson(std::string_view body);
  Outcome lines(std::string_view body);
  std::optional<HttpAnswer> add(EncodedEvents& to, const Headers& headers, std::string_view body);

  struct Lines;

  const BodyOptions options_;
  const EventLimits limits_;
  std::unique_ptr<Lines> lines_;
};

/// The charset of a Content-Type, as Flume's server finds it; empty: none.
std::string charset_of(std::string_view content_type);

}  // namespace fl
