#include "common/metastore/client.h"

#include <utility>

#include "common/base/log.h"

namespace fl {

Metastore::Metastore(MetastoreSettings settings) : settings_(std::move(settings)) {
  MetastoreLinkSettings link;
  link.user = settings_.user;
  link.timeout_ms = settings_.call_timeout_ms;
  link.tls = settings_.tls;
  link.cancel = &is_cancelled_;
  for (const MetastoreAddress& address : settings_.addresses) {
    links_.push_back(make_metastore_link(address, link));
  }
}

Metastore::~Metastore() = default;

std::string Metastore::place() const {
  std::string text = settings_.addresses.size() == 1 ? "the metastore" : "the metastores";
  for (std::size_t i = 0; i < settings_.addresses.size(); ++i) {
    text += i == 0 ? " " : ", ";
    text += settings_.addresses[i].text();
  }
  return text;
}

template <typename T>
Metastore::Answer<T> Metastore::exchange(MetastoreLink& link, const std::string& request,
                                         std::int32_t sequence, Decode<T> decode) {
  if (Status sent = link.send(request); !sent) {
    link.disconnect();
    return sent.error();
  }
  Answer<T> answer =
      decode(sequence, [&](char* to, std::size_t size) { return link.read(to, size); });
  // After some refusals the server closes the connection: a new one costs little.
  if (!answer || (!answer->result && answer->refusal.kind == MetastoreRefusal::Kind::call)) {
    const std::optional<Error> why =
        link.failure() == nullptr ? std::nullopt : std::optional(*link.failure());
    link.disconnect();
    if (!answer && why) {
      return *why;
    }
  }
  return answer;
}

// A server without user names, or one that proves them otherwise, refuses: then it is itself.
Status Metastore::connect(MetastoreLink& link) {
  if (Status connected = link.connect(); !connected || link.names_user()) {
    return connected;
  }
  const std::int32_t sequence = ++sequence_;
  const Answer<bool> named =
      exchange<bool>(link, encode_set_ugi(sequence, settings_.user), sequence, &decode_set_ugi);
  if (!named) {
    return named.error();
  }
  return link.is_connected() ? Status() : link.connect();
}

template <typename T, typename Encode>
Metastore::Answer<T> Metastore::call(const Encode& encode, Decode<T> decode) {
  const std::lock_guard lock(mutex_);
  std::optional<Error> last;
  for (std::size_t tried = 0; tried < links_.size(); ++tried) {
    MetastoreLink& link = *links_[current_];
    for (bool again = true; again && !is_cancelled_;) {
      again = link.is_used();  // the server may have closed it long ago
      Status ready = link.is_connected() ? Status() : connect(link);
      if (!ready) {
        last = ready.error();
      } else {
        const std::int32_t sequence = ++sequence_;
        Answer<T> answer = exchange<T>(link, encode(sequence), sequence, decode);
        if (answer) {
          return answer;
        }
        last = answer.error();
      }
      if (last->kind != ErrorClass::unavailable) {
        return *last;
      }
    }
    if (is_cancelled_) {
      break;
    }
    last->message = settings_.addresses[current_].text() + ": " + last->message;
    log(LogLevel::debug, last->message);
    current_ = (current_ + 1) % links_.size();
  }
  if (!last) {
    last = Error{ErrorClass::unavailable, "stopped while asking " + place(), {}};
  }
  if (links_.size() > 1) {
    last->message = "none of " + place() + " answers; the last one: " + last->message;
  }
  return *last;
}

Metastore::Answer<MetastoreTable> Metastore::table(const std::string& database,
                                                   const std::string& name) {
  return call<MetastoreTable>(
      [&](std::int32_t sequence) { return encode_get_table(sequence, database, name); },
      &decode_get_table);
}

Metastore::Answer<std::string> Metastore::partition(const MetastoreTable& table,
                                                    const std::string& name) {
  return call<std::string>(
      [&](std::int32_t sequence) { return encode_get_partition(sequence, table, name); },
      &decode_get_partition);
}

Metastore::Answer<bool> Metastore::add_partition(const MetastoreTable& table,
                                                 const std::vector<std::string>& values,
                                                 const std::string& location) {
  return call<bool>(
      [&](std::int32_t sequence) {
        return encode_add_partition(sequence, table, values, location);
      },
      &decode_add_partition);
}

}  // namespace fl
