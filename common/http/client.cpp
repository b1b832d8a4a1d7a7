#include "common/http/client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "common/base/clock.h"

namespace fl {
namespace {

constexpr std::size_t kMaxHeader = 256 << 10;

struct GlobalCurl {
  bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
};

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, EasyDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, ListDeleter>;

/// What the callbacks of one request share.
struct Transfer {
  const HttpBody* body = nullptr;
  std::uint64_t position = 0;  // within body
  std::string body_error;
  const std::atomic<bool>* cancel = nullptr;
  // Monotonic; 0: not yet.
  std::int64_t connected_ms = 0;
  std::int64_t progress_ms = 0;  // when bytes_moved changed last
  std::int64_t answer_since_ms = 0;
  curl_off_t bytes_moved = 0;
  bool is_answered = false;
  std::int64_t first_answer_limit_ms = 0;
  std::int64_t stall_limit_ms = 0;
  std::int64_t answer_limit_ms = 0;
  std::string late;  // which limit ended the transfer
  std::size_t max_reply = 0;
  std::size_t header_bytes = 0;
  bool header_too_long = false;
  HttpReply reply;
};

std::size_t read_body(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const HttpBody& body = *transfer.body;
  const std::uint64_t left = body.length - transfer.position;
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size * count, left));
  if (wanted == 0) {
    return 0;
  }
  ssize_t got = 0;
  do {
    got = ::pread(body.fd, buffer, wanted, static_cast<off_t>(body.offset + transfer.position));
  } while (got < 0 && errno == EINTR);
  if (got <= 0) {
    char text[128];
    transfer.body_error =
        got < 0 ? strerror_r(errno, text, sizeof text) : "the file is shorter than it was";
    return CURL_READFUNC_ABORT;
  }
  transfer.position += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

int seek_body(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET || offset < 0 ||
      static_cast<std::uint64_t>(offset) > transfer.body->length) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  transfer.position = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t take_reply(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  const std::size_t room = transfer.max_reply - transfer.reply.body.size();
  transfer.reply.body.append(data, std::min(bytes, room));
  if (bytes > room) {
    transfer.reply.cut = true;
    return 0;  // ends the transfer: nobody reads an endless answer to its end
  }
  return bytes;
}

/// The value of a header line with this lower-case name and colon, trimmed.
std::optional<std::string_view> header_value(std::string_view line, std::string_view name) {
  if (line.size() < name.size() || curl_strnequal(line.data(), name.data(), name.size()) == 0) {
    return std::nullopt;
  }
  line.remove_prefix(name.size());
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = line.find_first_not_of(kBlanks);
  return begin == std::string_view::npos
             ? std::string_view()
             : line.substr(begin, line.find_last_not_of(kBlanks) - begin + 1);
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  transfer.header_bytes += bytes;
  if (transfer.header_bytes > kMaxHeader) {
    transfer.header_too_long = true;
    return 0;
  }
  const std::string_view line(data, bytes);
  transfer.is_answered = true;
  if (line.starts_with("HTTP/")) {
    transfer.reply.location.clear();  // a new answer begins, after a 100 Continue for example
    transfer.reply.wants_negotiate = false;
    const std::size_t code = line.find(' ');
    if (code == std::string_view::npos || line.substr(code + 1, 1) != "1") {
      transfer.answer_since_ms = monotonic_ms();
    }
  } else if (const auto location = header_value(line, "location:")) {
    transfer.reply.location = *location;
  } else if (const auto offer = header_value(line, "www-authenticate:")) {
    constexpr std::string_view kNegotiate = "negotiate";
    transfer.reply.wants_negotiate =
        transfer.reply.wants_negotiate ||
        (offer->size() >= kNegotiate.size() &&
         curl_strnequal(offer->data(), kNegotiate.data(), kNegotiate.size()) != 0);
  }
  return bytes;
}

/// Called when a connection is there and a request is about to go out, also for the second request
/// that a login may take.
int take_connection(void* user, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.connected_ms = monotonic_ms();
  transfer.progress_ms = transfer.connected_ms;
  transfer.answer_since_ms = 0;
  transfer.is_answered = false;
  return CURL_PREREQFUNC_OK;
}

std::string seconds(std::int64_t ms) {
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

/// Called once a second and whenever something moves. Lines of a header count as an answer, but not
/// as progress: they must not keep a request alive forever.
int watch(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.cancel != nullptr && transfer.cancel->load()) {
    return 1;
  }
  if (transfer.connected_ms == 0) {
    return 0;
  }
  const std::int64_t now = monotonic_ms();
  if (received + sent != transfer.bytes_moved) {
    transfer.bytes_moved = received + sent;
    transfer.progress_ms = now;
  }
  const std::int64_t silence =
      transfer.is_answered ? transfer.stall_limit_ms : transfer.first_answer_limit_ms;
  if (now - transfer.progress_ms >= silence) {
    transfer.late =
        (transfer.is_answered ? "nothing more came for " : "no answer for ") + seconds(silence);
  } else if (transfer.answer_since_ms != 0 &&
             now - transfer.answer_since_ms >= transfer.answer_limit_ms) {
    transfer.late = "the answer was not complete after " + seconds(transfer.answer_limit_ms);
  }
  return transfer.late.empty() ? 0 : 1;
}

HttpFailure::Kind kind_of(CURLcode code, bool connected, std::string_view reason) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return HttpFailure::Kind::unknown_host;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return HttpFailure::Kind::connect;
    case CURLE_OPERATION_TIMEDOUT:
      return connected ? HttpFailure::Kind::stalled : HttpFailure::Kind::connect;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
      return HttpFailure::Kind::broken;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return HttpFailure::Kind::setup;
    case CURLE_SSL_CONNECT_ERROR:
      // A server that dies in the handshake.
      if (reason.find("SSL_ERROR_SYSCALL") != std::string_view::npos ||
          reason.find("unexpected eof") != std::string_view::npos) {
        return HttpFailure::Kind::connect;
      }
      // What OpenSSL makes of an answer in plain HTTP.
      if (reason.find("wrong version number") != std::string_view::npos ||
          reason.find("packet length too long") != std::string_view::npos ||
          reason.find("http request") != std::string_view::npos) {
        return HttpFailure::Kind::plain;
      }
      return HttpFailure::Kind::tls;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return HttpFailure::Kind::tls;
    case CURLE_UNSUPPORTED_PROTOCOL:  // "Received HTTP/0.9 when not allowed"
    case CURLE_WEIRD_SERVER_REPLY:
      return HttpFailure::Kind::encrypted;
    case CURLE_ABORTED_BY_CALLBACK:
      return HttpFailure::Kind::cancelled;
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
      return HttpFailure::Kind::login;
    default:
      return HttpFailure::Kind::other;
  }
}

HttpFailure failed(HttpFailure::Kind kind, std::string text) {
  HttpFailure failure;
  failure.kind = kind;
  failure.text = std::move(text);
  return failure;
}

}  // namespace

struct HttpClient::Impl {
  Transfer transfer_for(const HttpRequest& request) const;
  // Each sets its part of the options of one request.
  void set_connection(const HttpRequest& request);
  void set_request(const HttpRequest& request, const curl_slist* headers);
  void set_callbacks(Transfer& transfer);
  /// What became of it; `reason` is libcurl's text about a failure.
  std::variant<HttpReply, HttpFailure> outcome(CURLcode code, Transfer& transfer,
                                               std::string_view reason);

  Settings settings;
  CurlList address_map;
  CurlEasy easy;
};

HttpClient::HttpClient(Settings settings) : impl_(std::make_unique<Impl>()) {
  static const GlobalCurl global;
  impl_->settings = std::move(settings);
  if (global.ready) {
    impl_->easy.reset(curl_easy_init());
  }
  for (const HttpAddressMap& map : impl_->settings.address_map) {
    const std::string entry = map.host + ":" + map.port + ":" + map.to_host + ":" + map.to_port;
    curl_slist* longer = curl_slist_append(impl_->address_map.get(), entry.c_str());
    if (longer == nullptr) {
      impl_->easy.reset();  // send() refuses
      return;
    }
    (void)impl_->address_map.release();
    impl_->address_map.reset(longer);
  }
  if (impl_->easy && impl_->settings.cookies) {
    // Switches the cookie engine on for good with a cookie that has expired. COOKIEFILE would have
    // to be set again after each curl_easy_reset(), which leaks it (libcurl 7.88).
    curl_easy_setopt(impl_->easy.get(), CURLOPT_COOKIELIST,
                     "Set-Cookie: fl=; expires=Thu, 01 Jan 1970 00:00:01 GMT; domain=localhost");
  }
}

HttpClient::~HttpClient() = default;

Transfer HttpClient::Impl::transfer_for(const HttpRequest& request) const {
  const auto or_stall = [&](std::int64_t ms) { return ms > 0 ? ms : settings.stall_timeout_ms; };
  Transfer transfer;
  transfer.body = request.body;
  transfer.cancel = settings.cancel;
  transfer.max_reply = request.max_reply;
  transfer.stall_limit_ms = settings.stall_timeout_ms;
  transfer.first_answer_limit_ms = or_stall(request.first_answer_ms);
  transfer.answer_limit_ms = or_stall(request.answer_ms);
  return transfer;
}

void HttpClient::Impl::set_connection(const HttpRequest& request) {
  CURL* const handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);  // no wait for a name server that is silent
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(settings.connect_timeout_ms));
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  if (!settings.use_proxy) {
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  }
  if (address_map) {
    curl_easy_setopt(handle, CURLOPT_CONNECT_TO, address_map.get());
  }
  if (request.fresh_connection) {
    curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
  }
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!settings.tls.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, settings.tls.ca_file.c_str());
  }
  if (!settings.tls.certificate.empty()) {
    const std::string& key = settings.tls.key.empty() ? settings.tls.certificate : settings.tls.key;
    curl_easy_setopt(handle, CURLOPT_SSLCERT, settings.tls.certificate.c_str());
    curl_easy_setopt(handle, CURLOPT_SSLKEY, key.c_str());
    curl_easy_setopt(handle, CURLOPT_KEYPASSWD, "");  // else OpenSSL asks the terminal for one
  }
}

void HttpClient::Impl::set_request(const HttpRequest& request, const curl_slist* headers) {
  CURL* const handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "fl");
  if (request.negotiate) {
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_NEGOTIATE));
    curl_easy_setopt(handle, CURLOPT_USERPWD, ":");
  }
  if (request.body != nullptr) {
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(request.body->length));
  } else if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, 0L);
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

void HttpClient::Impl::set_callbacks(Transfer& transfer) {
  CURL* const handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, watch);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, take_connection);
  curl_easy_setopt(handle, CURLOPT_PREREQDATA, &transfer);
  if (transfer.body != nullptr) {
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, read_body);
    curl_easy_setopt(handle, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, seek_body);
    curl_easy_setopt(handle, CURLOPT_SEEKDATA, &transfer);
  }
}

std::variant<HttpReply, HttpFailure> HttpClient::Impl::outcome(CURLcode code, Transfer& transfer,
                                                               std::string_view reason) {
  CURL* const handle = easy.get();
  const char* peer = nullptr;
  curl_easy_getinfo(handle, CURLINFO_PRIMARY_IP, &peer);
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &transfer.reply.status);
  transfer.reply.peer_ip = peer == nullptr ? "" : peer;
  // A server that refuses an upload answers and closes while we still send: its answer counts.
  const bool refused_early =
      (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && transfer.reply.status >= 400;
  if (code == CURLE_OK || refused_early || (code == CURLE_WRITE_ERROR && transfer.reply.cut)) {
    return std::move(transfer.reply);
  }
  long sent = 0;
  curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
  HttpFailure failure;
  failure.kind = kind_of(code, sent > 0, reason);
  failure.may_have_arrived = sent > 0;
  failure.text = reason.empty() ? curl_easy_strerror(code) : std::string(reason);
  failure.peer_ip = std::move(transfer.reply.peer_ip);
  if (!transfer.body_error.empty()) {
    failure.kind = HttpFailure::Kind::body;
    failure.text = std::move(transfer.body_error);
  } else if (!transfer.late.empty()) {
    failure.kind = HttpFailure::Kind::stalled;
    failure.text = std::move(transfer.late);
  } else if (transfer.header_too_long) {
    failure.text = "the header of the answer is longer than 256 KiB";
  }
  return failure;
}

std::variant<HttpReply, HttpFailure> HttpClient::send(const HttpRequest& request) {
  CURL* const easy = impl_->easy.get();
  if (easy == nullptr) {
    return failed(HttpFailure::Kind::other, "libcurl could not be set up");
  }
  if (impl_->settings.cancel != nullptr && impl_->settings.cancel->load()) {
    return failed(HttpFailure::Kind::cancelled, "stopped");
  }
  CurlList headers(curl_slist_append(nullptr, "Expect:"));
  for (const std::string& header : request.headers) {
    if (curl_slist_append(headers.get(), header.c_str()) == nullptr) {
      return failed(HttpFailure::Kind::other, "out of memory");
    }
  }
  Transfer transfer = impl_->transfer_for(request);
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_reset(easy);  // keeps connections and cookies
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason);
  impl_->set_connection(request);
  impl_->set_request(request, headers.get());
  impl_->set_callbacks(transfer);
  const CURLcode code = curl_easy_perform(easy);
  return impl_->outcome(code, transfer, reason);
}

namespace {

/// Takes "HOST:PORT" from the front of `text`; false: it is not there.
bool take_address(std::string_view& text, std::string_view end, std::string& host,
                  std::string& port) {
  const std::string_view all = text.substr(0, text.find_first_of(end));
  const std::size_t colon = all.rfind(':');
  if (colon == std::string_view::npos) {
    return false;
  }
  host = all.substr(0, colon);
  port = all.substr(colon + 1);
  text.remove_prefix(all.size());
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  return !host.empty() && host.find_first_of(" \t/@") == std::string::npos &&
         (brackets || host.find_first_of("[]:") == std::string::npos) && !port.empty() &&
         port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos &&
         std::stoi(port) <= 65535;
}

}  // namespace

Result<std::vector<HttpAddressMap>> parse_address_map(std::string_view text) {
  std::vector<HttpAddressMap> maps;
  std::string_view rest = text;
  while (!rest.empty()) {
    HttpAddressMap map;
    const bool from = take_address(rest, "=,", map.host, map.port);
    const bool equals = from && rest.starts_with('=');
    if (equals) {
      rest.remove_prefix(1);
    }
    if (!equals || !take_address(rest, ",", map.to_host, map.to_port)) {
      return Error{ErrorClass::usage, "'" + std::string(text) + "' is not a list of addresses",
                   "write HOST:PORT=HOST:PORT, with commas between several"};
    }
    maps.push_back(std::move(map));
    rest.remove_prefix(rest.empty() ? 0 : 1);
  }
  return maps;
}

std::string url_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '~' || c == '-';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace fl
