#include "common/http/client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

namespace fl {
namespace {

constexpr std::size_t kMaxHeader = 1 << 20;

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

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  transfer.header_bytes += bytes;
  if (transfer.header_bytes > kMaxHeader) {
    transfer.header_too_long = true;
    return 0;
  }
  std::string_view line(data, bytes);
  constexpr std::string_view kLocation = "location:";
  if (line.starts_with("HTTP/")) {
    transfer.reply.location.clear();  // a new answer begins, behind a 100 Continue for example
  } else if (line.size() > kLocation.size() &&
             curl_strnequal(line.data(), kLocation.data(), kLocation.size()) != 0) {
    line.remove_prefix(kLocation.size());
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t begin = line.find_first_not_of(kBlanks);
    const std::size_t end = line.find_last_not_of(kBlanks);
    transfer.reply.location =
        begin == std::string_view::npos ? "" : std::string(line.substr(begin, end - begin + 1));
  }
  return bytes;
}

int look_at_cancel(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& transfer = *static_cast<const Transfer*>(user);
  return transfer.cancel != nullptr && transfer.cancel->load() ? 1 : 0;
}

HttpFailure::Kind kind_of(CURLcode code, bool connected) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
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
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return HttpFailure::Kind::tls;
    case CURLE_ABORTED_BY_CALLBACK:
      return HttpFailure::Kind::cancelled;
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
      return HttpFailure::Kind::login;
    default:
      return HttpFailure::Kind::other;
  }
}

}  // namespace

struct HttpClient::Impl {
  Settings settings;
  CurlEasy easy;
};

HttpClient::HttpClient(Settings settings) : impl_(std::make_unique<Impl>()) {
  static const GlobalCurl global;
  impl_->settings = std::move(settings);
  if (global.ready) {
    impl_->easy.reset(curl_easy_init());
  }
  if (impl_->easy && impl_->settings.cookies) {
    // Switches the cookie engine on for good with a cookie that has expired. COOKIEFILE would have
    // to be set again after each curl_easy_reset(), which leaks it (libcurl 7.88).
    curl_easy_setopt(impl_->easy.get(), CURLOPT_COOKIELIST,
                     "Set-Cookie: fl=; expires=Thu, 01 Jan 1970 00:00:01 GMT; domain=localhost");
  }
}

HttpClient::~HttpClient() = default;

std::variant<HttpReply, HttpFailure> HttpClient::send(const HttpRequest& request) {
  CURL* easy = impl_->easy.get();
  const Settings& settings = impl_->settings;
  HttpFailure failure;
  if (easy == nullptr) {
    failure.text = "libcurl could not be set up";
    return failure;
  }
  Transfer transfer;
  transfer.body = request.body;
  transfer.cancel = settings.cancel;
  transfer.max_reply = request.max_reply;
  if (settings.cancel != nullptr && settings.cancel->load()) {
    failure.kind = HttpFailure::Kind::cancelled;
    failure.text = "stopped";
    return failure;
  }

  curl_easy_reset(easy);  // keeps connections and cookies
  char reason[CURL_ERROR_SIZE] = "";
  CurlList headers(curl_slist_append(nullptr, "Expect:"));
  for (const std::string& header : request.headers) {
    if (curl_slist_append(headers.get(), header.c_str()) == nullptr) {
      failure.text = "out of memory";
      return failure;
    }
  }
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "fl");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(std::max<std::int64_t>(1, settings.stall_timeout_ms / 1000)));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  if (!settings.use_proxy) {
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  }
  if (!settings.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, settings.ca_file.c_str());
  }
  if (request.negotiate) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_NEGOTIATE));
    curl_easy_setopt(easy, CURLOPT_USERPWD, ":");
  }
  if (request.fresh_connection) {
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, look_at_cancel);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  if (request.body != nullptr) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
    curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body->length));
  } else if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());

  const CURLcode code = curl_easy_perform(easy);

  const char* peer = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &peer);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &transfer.reply.status);
  transfer.reply.peer_ip = peer == nullptr ? "" : peer;
  // A server that refuses an upload answers and closes while we still send: its answer counts.
  const bool refused_early =
      (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && transfer.reply.status >= 400;
  if (code == CURLE_OK || refused_early || (code == CURLE_WRITE_ERROR && transfer.reply.cut)) {
    return std::move(transfer.reply);
  }
  long sent = 0;
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
  failure.kind = kind_of(code, sent > 0);
  failure.may_have_arrived = sent > 0;
  failure.text = reason[0] != '\0' ? reason : curl_easy_strerror(code);
  failure.peer_ip = std::move(transfer.reply.peer_ip);
  if (!transfer.body_error.empty()) {
    failure.kind = HttpFailure::Kind::body;
    failure.text = std::move(transfer.body_error);
  } else if (transfer.header_too_long) {
    failure.text = "the header of the answer is longer than 1 MiB";
  }
  return failure;
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
