#include "common/http/posts.h"

#include <curl/curl.h>
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "common/base/clock.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

constexpr std::int64_t kLookMs = 50;

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) {
    return {};
  }
  std::string out = text;
  curl_free(text);
  return out;
}

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

bool begins_with(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && curl_strnequal(text.data(), word.data(), word.size()) != 0;
}

/// Whether this value of WWW-Authenticate names the scheme: at its beginning or after a comma.
bool offers(std::string_view value, std::string_view scheme) {
  for (;;) {
    value.remove_prefix(std::min(value.find_first_not_of(" \t\r\n"), value.size()));
    if (begins_with(value, scheme) &&
        (value.size() == scheme.size() ||
         std::string_view(" \t\r\n,").find(value[scheme.size()]) != std::string_view::npos)) {
      return true;
    }
    const std::size_t comma = value.find(',');
    if (comma == std::string_view::npos) {
      return false;
    }
    value.remove_prefix(comma + 1);
  }
}

/// Whether a person has to act before the same request can succeed.
bool is_lasting(CURLcode code) {
  switch (code) {
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return true;
    default:
      return false;
  }
}

// After an address of a name that did not answer libcurl has no socket, and its timer is that of
// the whole try: without this it would not begin with the next one. It advises against this
// function where there are many transfers; ours is one.
void look_again(CURLM* multi) {
  int running = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  curl_multi_socket_all(multi, &running);
#pragma GCC diagnostic pop
}

}  // namespace

struct HttpPosts::Impl {
  Settings settings;
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  List headers;
  std::map<curl_socket_t, int> sockets;                // and what is waited for, as CURL_POLL_*
  std::vector<std::pair<curl_socket_t, int>> watched;  // and its index
  std::int64_t timer_ms = -1;
  std::int64_t due_ms = -1;  // of the answer, once a connection is there
  bool is_busy = false;
  std::string text;
  std::size_t received = 0;
  std::uint64_t connections = 0;
  bool wants_negotiate = false;
  bool wants_basic = false;
  char reason[CURL_ERROR_SIZE] = {};

  ~Impl() {
    if (is_busy) {
      curl_multi_remove_handle(multi, easy);
    }
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }

  bool is_between_addresses() const { return is_busy && sockets.empty(); }

  static int take_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
    auto& sockets = static_cast<Impl*>(self)->sockets;
    if (what == CURL_POLL_REMOVE) {
      sockets.erase(fd);
    } else {
      sockets[fd] = what;
    }
    return 0;
  }

  static int take_timer(CURLM*, long ms, void* self) {
    static_cast<Impl*>(self)->timer_ms = ms < 0 ? -1 : monotonic_ms() + ms;
    return 0;
  }

  // A connection is there: the time of the request begins. libcurl's own limit is that of all.
  static int begin_request(void* self, char*, char*, int, int) {
    auto& impl = *static_cast<Impl*>(self);
    impl.due_ms = monotonic_ms() + impl.settings.request_timeout_ms;
    return CURL_PREREQFUNC_OK;
  }

  bool is_late() const { return is_busy && due_ms >= 0 && monotonic_ms() >= due_ms; }

  PostOutcome end(CURLcode code) {
    PostOutcome out = outcome(code);
    curl_multi_remove_handle(multi, easy);
    is_busy = false;
    return out;
  }

  static std::size_t take_answer(char* data, std::size_t size, std::size_t count, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    const std::size_t bytes = size * count;
    const std::size_t most = impl.settings.max_text;
    impl.text.append(data, std::min(bytes, most - std::min(most, impl.text.size())));
    impl.received += bytes;
    return impl.received > kMaxAnswer ? 0 : bytes;  // 0 ends it
  }

  static std::size_t take_header(char* data, std::size_t size, std::size_t count, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    const std::string_view line(data, size * count);
    constexpr std::string_view kOffer = "www-authenticate:";
    if (begins_with(line, "HTTP/")) {
      impl.wants_negotiate = impl.wants_basic = false;  // a new answer, after a 100 for example
    } else if (begins_with(line, kOffer)) {
      const std::string_view value = line.substr(kOffer.size());
      impl.wants_negotiate = impl.wants_negotiate || offers(value, "negotiate");
      impl.wants_basic = impl.wants_basic || offers(value, "basic");
    }
    return size * count;
  }

  void set_headers(const std::string& authorization) {
    List list(curl_slist_append(nullptr, "Expect:"));
    for (const std::string& header : settings.headers) {
      list.reset(curl_slist_append(list.release(), header.c_str()));
    }
    if (!authorization.empty()) {
      list.reset(curl_slist_append(list.release(), ("Authorization: " + authorization).c_str()));
    }
    headers = std::move(list);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  }

  static CURLcode equip(CURL*, void* ssl_context, void* self) {
    const auto& security = static_cast<Impl*>(self)->settings.security;
    return security->equip(ssl_context) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
  }

  // With TLS 1.3 a server complains of our certificate after the handshake, and libcurl passes on
  // what OpenSSL calls that.
  void explain(PostOutcome& out) const {
    const std::size_t at = out.text.find("error:");
    if (!settings.security || at == std::string::npos) {
      return;
    }
    const unsigned long number = std::strtoul(out.text.c_str() + at + 6, nullptr, 16);
    const std::string complaint = settings.security->complaint(number);
    if (!complaint.empty()) {
      out.text = "the TLS handshake failed: " + complaint;
      out.needs_person = true;
    }
  }

  void set_security() {
    if (!settings.security) {
      return;
    }
    const bool checks = !settings.security->trusts_all;
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, &Impl::equip);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
    curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    // Else the certificates of the first connection are used again for all others.
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, checks ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, checks ? 2L : 0L);
    // A session that goes on would not look at the certificate again.
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  }

  PostOutcome outcome(CURLcode code) {
    PostOutcome out;
    long made = 0;
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made);
    connections += static_cast<std::uint64_t>(std::max(made, 0L));
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    // A server that refuses a request may answer and close while we still send: its answer counts.
    const bool refused_early =
        (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && status >= 400;
    if (code == CURLE_OK || refused_early || (code == CURLE_WRITE_ERROR && received > kMaxAnswer)) {
      out.status = status;
      out.wants_negotiate = wants_negotiate;
      out.wants_basic = wants_basic;
      std::replace_if(
          text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; },
          ' ');
      const std::size_t end = text.find_last_not_of(' ');
      out.text = text.substr(0, end == std::string::npos ? 0 : end + 1);
      curl_off_t seconds = 0;
      curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
      // One more: monotonic_ms() has dropped a part of a millisecond.
      out.retry_after_ms = seconds <= 0 ? 0 : std::min<std::int64_t>(seconds, 60) * 1000 + 1;
    } else {
      out.text = reason[0] != '\0' ? reason : curl_easy_strerror(code);
      long number = 0;
      if (code == CURLE_COULDNT_CONNECT &&
          curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number != 0) {
        out.text = system_error("cannot connect", static_cast<int>(number)).message;
      }
      out.needs_person = is_lasting(code);
      explain(out);
    }
    return out;
  }
};

Status HttpPosts::check_url(const std::string& url, const std::string& expected) {
  const Url parsed(curl_url());
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME);
  if (code != CURLUE_OK || (scheme != "http" && scheme != "https")) {
    return Error{ErrorClass::usage, "'" + shown(url) + "' is not a URL of http or https", expected};
  }
  if (!part_of(parsed.get(), CURLUPART_USER).empty() ||
      !part_of(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return Error{ErrorClass::usage, "the URL contains a user or password",
                 "use --user and --password-file"};
  }
  return {};
}

std::string HttpPosts::shown(const std::string& url) {
  const std::string plain = url.substr(0, url.find_first_of("?#"));
  const std::size_t host = plain.find("://");
  const std::size_t begin = host == std::string::npos ? 0 : host + 3;
  const std::size_t at = plain.rfind('@', std::min(plain.find('/', begin), plain.size()));
  return at == std::string::npos || at < begin ? plain
                                               : plain.substr(0, begin) + plain.substr(at + 1);
}

std::string HttpPosts::host_of(const std::string& url) {
  const Url parsed(curl_url());
  (void)curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  std::string host = part_of(parsed.get(), CURLUPART_HOST);
  std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return host;
}

HttpPosts::HttpPosts(Settings settings) : impl_(std::make_unique<Impl>()) {
  static const bool is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  (void)is_ready;
  Impl& impl = *impl_;
  impl.settings = std::move(settings);
  impl.multi = curl_multi_init();
  impl.easy = curl_easy_init();
  curl_multi_setopt(impl.multi, CURLMOPT_SOCKETFUNCTION, &Impl::take_socket);
  curl_multi_setopt(impl.multi, CURLMOPT_SOCKETDATA, &impl);
  curl_multi_setopt(impl.multi, CURLMOPT_TIMERFUNCTION, &Impl::take_timer);
  curl_multi_setopt(impl.multi, CURLMOPT_TIMERDATA, &impl);
  impl.set_headers({});
  CURL* const easy = impl.easy;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // Else libcurl waits for a name server that does not answer, in the middle of the stage's loop.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_URL, impl.settings.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "fl");
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Impl::take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &impl);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(impl.settings.connect_timeout_ms));
  curl_easy_setopt(
      easy, CURLOPT_TIMEOUT_MS,
      static_cast<long>(impl.settings.connect_timeout_ms + impl.settings.request_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Impl::begin_request);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &impl);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, impl.reason);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Impl::take_answer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &impl);
  if (impl.settings.cookies) {
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
  }
  impl.set_security();
}

bool HttpPosts::has_openssl() {
  const curl_version_info_data* const info = curl_version_info(CURLVERSION_NOW);
  return info->ssl_version != nullptr &&
         std::string_view(info->ssl_version).find("OpenSSL") != std::string_view::npos;
}

HttpPosts::~HttpPosts() = default;

void HttpPosts::authorize(const std::string& value) { impl_->set_headers(value); }

bool HttpPosts::has_cookie(std::string_view name) const {
  curl_slist* lines = nullptr;
  curl_easy_getinfo(impl_->easy, CURLINFO_COOKIELIST, &lines);
  const List list(lines);
  for (const curl_slist* each = lines; each != nullptr; each = each->next) {
    // domain, subdomains, path, secure, expires, name, value, separated by tabs
    std::string_view line = each->data;
    std::string_view expires;
    for (int i = 0; i < 5; ++i) {
      expires = line.substr(0, line.find('\t'));
      line.remove_prefix(std::min(expires.size() + 1, line.size()));
    }
    // libcurl lists those that have expired, too, until the next request; 0: never.
    const long long until = std::strtoll(std::string(expires).c_str(), nullptr, 10);
    if (line.substr(0, line.find('\t')) == name && (until == 0 || until > wall_ms() / 1000)) {
      return true;
    }
  }
  return false;
}

void HttpPosts::send(std::string_view body) {
  Impl& impl = *impl_;
  impl.text.clear();
  impl.received = 0;
  impl.wants_negotiate = impl.wants_basic = false;
  impl.reason[0] = '\0';
  impl.due_ms = -1;
  if (impl.settings.is_get) {
    curl_easy_setopt(impl.easy, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(impl.easy, CURLOPT_POST, 1L);
    curl_easy_setopt(impl.easy, CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
    curl_easy_setopt(impl.easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  }
  impl.is_busy = curl_multi_add_handle(impl.multi, impl.easy) == CURLM_OK;
}

void HttpPosts::send_to(const std::string& url, std::string_view body) {
  curl_easy_setopt(impl_->easy, CURLOPT_URL, url.c_str());
  send(body);
}

bool HttpPosts::is_busy() const { return impl_->is_busy; }

void HttpPosts::watch(PollSet& set) {
  impl_->watched.clear();
  for (const auto& [fd, what] : impl_->sockets) {
    const int events =
        ((what & CURL_POLL_IN) != 0 ? POLLIN : 0) | ((what & CURL_POLL_OUT) != 0 ? POLLOUT : 0);
    impl_->watched.emplace_back(fd, set.add(fd, static_cast<short>(events)));
  }
}

std::optional<PostOutcome> HttpPosts::handle(const PollSet& set) {
  Impl& impl = *impl_;
  int running = 0;
  for (const auto& [fd, index] : impl.watched) {
    const short events = set.revents(index);
    if (events != 0) {
      const int mask = ((events & POLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                       ((events & POLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                       ((events & (POLLERR | POLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(impl.multi, fd, mask, &running);
    }
  }
  impl.watched.clear();
  if (impl.timer_ms >= 0 && monotonic_ms() >= impl.timer_ms) {
    impl.timer_ms = -1;
    curl_multi_socket_action(impl.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  if (impl.is_between_addresses()) {
    look_again(impl.multi);
  }
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(impl.multi, &left)) {
    if (message->msg == CURLMSG_DONE) {
      return impl.end(message->data.result);
    }
  }
  if (impl.is_late()) {
    const std::string why =
        "no answer within " + to_string(Duration{impl.settings.request_timeout_ms});
    impl.reason[why.copy(impl.reason, sizeof impl.reason - 1)] = '\0';
    return impl.end(CURLE_OPERATION_TIMEDOUT);
  }
  return std::nullopt;
}

std::int64_t HttpPosts::deadline_ms() const {
  std::int64_t timer = impl_->timer_ms;
  if (impl_->is_busy && impl_->due_ms >= 0) {
    timer = timer < 0 ? impl_->due_ms : std::min(timer, impl_->due_ms);
  }
  if (!impl_->is_between_addresses()) {
    return timer;
  }
  const std::int64_t look = monotonic_ms() + kLookMs;
  return timer < 0 ? look : std::min(timer, look);
}

void HttpPosts::stop() {
  if (impl_->is_busy) {
    curl_multi_remove_handle(impl_->multi, impl_->easy);
    impl_->is_busy = false;
  }
}

std::uint64_t HttpPosts::connections() const { return impl_->connections; }

}  // namespace fl
