#include "common/hadoop/webhdfs.h"

#include <simdjson.h>

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <variant>

#include "common/http/client.h"

namespace fl {
namespace {

constexpr std::size_t kMaxReply = std::size_t{1} << 20;
/// HttpFS answers a whole directory at once; one entry is about 300 bytes.
constexpr std::size_t kMaxListing = std::size_t{64} << 20;
constexpr std::size_t kMaxEntries = 1'000'000;

using Reply = std::variant<HttpReply, HdfsError>;

std::string quoted(const std::string& path) { return "'" + path + "'"; }

/// "http://host:port" of a URL: the rest may hold a token.
std::string origin_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  return scheme == std::string::npos ? url : url.substr(0, url.find_first_of("/?#", scheme + 3));
}

/// The host of an "http://host:port" when it is a plain IPv4 address; a DataNode that refuses the
/// connection is known by nothing else.
std::string address_of(const std::string& origin) {
  const std::size_t begin = origin.find("://") + 3;
  const std::string host = origin.substr(begin, origin.find(':', begin) - begin);
  return host.find_first_not_of("0123456789.") == std::string::npos ? host : "";
}

HdfsError failed(HdfsTrouble trouble, ErrorClass kind, std::string message, std::string hint = {}) {
  HdfsError error;
  error.kind = kind;
  error.message = std::move(message);
  error.hint = std::move(hint);
  error.trouble = trouble;
  return error;
}

HdfsError from_failure(const std::string& action, const std::string& peer,
                       const HttpFailure& failure) {
  HdfsError error = failed(HdfsTrouble::retry, ErrorClass::unavailable,
                           action + ": " + peer + ": " + one_line(failure.text));
  error.outcome_unknown = failure.may_have_arrived;
  switch (failure.kind) {
    case HttpFailure::Kind::connect:
    case HttpFailure::Kind::stalled:
    case HttpFailure::Kind::broken:
      error.ask_other_namenode = true;
      break;
    case HttpFailure::Kind::cancelled:
      error.trouble = HdfsTrouble::cancelled;
      error.kind = ErrorClass::again;
      error.message = action + ": stopped";
      break;
    case HttpFailure::Kind::body:
      error.trouble = HdfsTrouble::local;
      error.kind = ErrorClass::io;
      error.message = action + ": cannot read the gathered data: " + failure.text;
      break;
    case HttpFailure::Kind::tls:
      error.trouble = HdfsTrouble::permission;
      error.kind = ErrorClass::permission;
      error.hint = "check the certificate authorities this client trusts";
      break;
    case HttpFailure::Kind::login:
      error.trouble = HdfsTrouble::permission;
      error.kind = ErrorClass::permission;
      error.hint = "no Kerberos ticket or keytab? (klist, KRB5_CLIENT_KTNAME)";
      break;
    case HttpFailure::Kind::other:
      error.trouble = HdfsTrouble::other;
      error.kind = ErrorClass::io;
      break;
  }
  return error;
}

HdfsError odd_answer(const std::string& action, const std::string& peer, const HttpReply& reply) {
  return failed(
      HdfsTrouble::other, ErrorClass::io,
      action + ": " + peer + " answers with HTTP status " + std::to_string(reply.status) +
          (reply.cut ? " and more than a reply may hold" : " and a text that is none of WebHDFS"),
      "is this the HTTP address of a NameNode or of HttpFS?");
}

HdfsStatus check_path(const std::string& action, const std::string& path) {
  const auto refuse = [&](const char* why) {
    return failed(HdfsTrouble::invalid, ErrorClass::input, action + ": " + why);
  };
  if (!path.starts_with('/')) {
    return refuse("the path is not absolute");
  }
  std::string_view rest(path);
  if (rest.find('\0') != std::string_view::npos) {
    return refuse("HDFS allows no NUL in a name");
  }
  if (rest.find(':') != std::string_view::npos) {
    return refuse("HDFS allows no ':' in a name");
  }
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part == "." || part == "..") {
      return refuse("HDFS allows no '.' or '..' as a name");
    }
    if (part.empty() && !rest.empty()) {
      return refuse("HDFS allows no empty name ('//')");
    }
    rest.remove_prefix(part.size());
  }
  return {};
}

std::optional<bool> parse_boolean(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  bool value = false;
  if (parser.parse(body).get(root) != simdjson::SUCCESS ||
      root["boolean"].get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> parse_string(const std::string& body, const char* key) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view value;
  if (parser.parse(body).get(root) != simdjson::SUCCESS ||
      root[key].get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return std::string(value);
}

std::optional<WebHdfs::FileStatus> parse_status(const simdjson::dom::element& element) {
  WebHdfs::FileStatus status;
  std::string_view type;
  std::string_view name;
  if (element["type"].get(type) != simdjson::SUCCESS ||
      element["length"].get(status.length) != simdjson::SUCCESS ||
      element["modificationTime"].get(status.modified_ms) != simdjson::SUCCESS ||
      element["pathSuffix"].get(name) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  status.is_directory = type == "DIRECTORY";
  status.name = name;
  if (element["fileId"].get(status.file_id) != simdjson::SUCCESS) {
    status.file_id = 0;
  }
  return status;
}

struct Page {
  std::vector<WebHdfs::FileStatus> entries;
  std::uint64_t remaining = 0;
};

std::optional<Page> parse_page(const std::string& body) {
  simdjson::dom::parser parser(kMaxListing + 1);
  simdjson::dom::element root;
  if (parser.parse(body).get(root) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  Page page;
  simdjson::dom::array entries;
  const auto listing = root["DirectoryListing"];
  if (listing.error() == simdjson::SUCCESS) {
    if (listing["partialListing"]["FileStatuses"]["FileStatus"].get(entries) != simdjson::SUCCESS ||
        listing["remainingEntries"].get(page.remaining) != simdjson::SUCCESS) {
      return std::nullopt;
    }
  } else if (root["FileStatuses"]["FileStatus"].get(entries) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  for (const simdjson::dom::element entry : entries) {
    std::optional<WebHdfs::FileStatus> status = parse_status(entry);
    // The caller joins names to paths and deletes some: none may lead elsewhere.
    if (!status || status->name.find('/') != std::string::npos || status->name == "." ||
        status->name == "..") {
      return std::nullopt;
    }
    page.entries.push_back(std::move(*status));
  }
  return page;
}

}  // namespace

struct WebHdfs::Impl {
  explicit Impl(Settings given)
      : settings(std::move(given)),
        namenodes({settings.ca_file, settings.use_proxy, true, settings.connect_timeout_ms,
                   settings.stall_timeout_ms, settings.cancel}),
        // Cookies know no ports: a NameNode's must not reach a DataNode on the same host.
        datanodes({settings.ca_file, settings.use_proxy, false, settings.connect_timeout_ms,
                   settings.stall_timeout_ms, settings.cancel}) {}

  struct Call {
    std::string action;
    std::string method;
    std::string path;
    std::string query;  // begins with "op="
    std::size_t max_reply = kMaxReply;
    bool repeatable = true;  // carrying it out twice does no harm
    bool fresh_connection = false;
  };

  /// Asks the NameNodes in turn; an answer of 200, 201 or 307 is a reply, all else an error.
  Reply ask(const Call& call);
  std::string peer() const { return "NameNode " + settings.endpoints[active]; }
  HdfsStatus settle_rename(const std::string& action, const std::string& from,
                           const std::string& to, std::uint64_t file_id, HdfsError why);
  HdfsResult<std::optional<FileStatus>> status(const std::string& path);
  /// HttpFS moves a file into a directory of the new name: moves it out again, `exists`.
  HdfsStatus take_back(const std::string& action, const std::string& from, const std::string& to);

  Settings settings;
  HttpClient namenodes;
  HttpClient datanodes;
  std::size_t active = 0;  // the endpoint that answered last
  // The rename whose answer was lost: when it is repeated, "not found" may mean "already done".
  std::optional<std::pair<std::string, std::string>> uncertain;
};

Reply WebHdfs::Impl::ask(const Call& call) {
  if (HdfsStatus valid = check_path(call.action, call.path); !valid) {
    return valid.error();
  }
  if (settings.endpoints.empty()) {
    return failed(HdfsTrouble::invalid, ErrorClass::config,
                  call.action + ": no NameNode is configured");
  }
  HttpRequest request;
  request.method = call.method;
  request.max_reply = call.max_reply;
  request.negotiate = settings.kerberos;
  request.fresh_connection = call.fresh_connection;
  if (call.method != "GET") {
    request.headers = {"X-XSRF-HEADER: fl", "Content-Type: application/octet-stream"};
  }
  HdfsError first_error;
  const std::size_t count = settings.endpoints.size();
  for (std::size_t tried = 0; tried < count; ++tried) {
    request.url =
        settings.endpoints[active] + "/webhdfs/v1" + encode_path(call.path) + "?" + call.query;
    if (!settings.kerberos) {
      request.url += "&user.name=" + url_encode(settings.user);
    }
    auto outcome = namenodes.send(request);
    HdfsError error;
    if (auto* reply = std::get_if<HttpReply>(&outcome)) {
      if (reply->status == 200 || reply->status == 201 || reply->status == 307) {
        return std::move(*reply);
      }
      error = classify_reply(call.action, peer(), reply->status, reply->body);
    } else {
      error = from_failure(call.action, peer(), std::get<HttpFailure>(outcome));
    }
    const bool next = error.ask_other_namenode && (call.repeatable || !error.outcome_unknown);
    const bool unknown = error.outcome_unknown;
    // "standby" of the second tells less than what is wrong with the first, and the other way
    // round: both stay.
    if (tried == 0) {
      first_error = std::move(error);
    } else if (error.trouble == HdfsTrouble::retry) {
      first_error.message += "; " + error.message.substr(call.action.size() + 2);
      first_error.outcome_unknown = first_error.outcome_unknown || unknown;
    } else {
      first_error = std::move(error);
    }
    if (!next) {
      return first_error;
    }
    active = (active + 1) % count;
  }
  return first_error;
}

WebHdfs::WebHdfs(Settings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
WebHdfs::~WebHdfs() = default;

HdfsResult<std::string> WebHdfs::home_directory() {
  const std::string action = "cannot ask for the home directory";
  Reply outcome = impl_->ask({action, "GET", "/", "op=GETHOMEDIRECTORY"});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  auto path = parse_string(reply.body, "Path");
  if (!path || !path->starts_with('/')) {
    return odd_answer(action, impl_->peer(), reply);
  }
  return std::move(*path);
}

HdfsStatus WebHdfs::mkdirs(const std::string& path, const std::string& permission) {
  const std::string action = "cannot create directory " + quoted(path);
  Reply outcome =
      impl_->ask({action, "PUT", path, "op=MKDIRS&permission=" + url_encode(permission)});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  const std::optional<bool> done = parse_boolean(reply.body);
  if (!done) {
    return odd_answer(action, impl_->peer(), reply);
  }
  if (!*done) {
    return failed(HdfsTrouble::other, ErrorClass::create,
                  action + ": " + impl_->peer() + " refuses");
  }
  return {};
}

HdfsResult<std::optional<WebHdfs::FileStatus>> WebHdfs::Impl::status(const std::string& path) {
  const std::string action = "cannot look at " + quoted(path);
  Reply outcome = ask({action, "GET", path, "op=GETFILESTATUS"});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    if (error->trouble == HdfsTrouble::missing) {
      return std::optional<FileStatus>();
    }
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  std::optional<FileStatus> status;
  if (parser.parse(reply.body).at_key("FileStatus").get(element) == simdjson::SUCCESS) {
    status = parse_status(element);
  }
  if (!status) {
    return odd_answer(action, peer(), reply);
  }
  return status;
}

HdfsResult<std::optional<WebHdfs::FileStatus>> WebHdfs::status(const std::string& path) {
  return impl_->status(path);
}

HdfsResult<std::vector<WebHdfs::FileStatus>> WebHdfs::list(const std::string& path) {
  const std::string action = "cannot list " + quoted(path);
  std::vector<FileStatus> all;
  std::unordered_set<std::string> seen;
  bool by_pages = true;
  for (;;) {
    std::string query = "op=LISTSTATUS";
    if (by_pages) {
      // The NameNode knows only the first spelling, HttpFS only the second.
      const std::string after = all.empty() ? "" : url_encode(all.back().name);
      query = "op=LISTSTATUS_BATCH&startafter=" + after + "&startAfter=" + after;
    }
    Reply outcome = impl_->ask({action, "GET", path, query, kMaxListing});
    if (auto* error = std::get_if<HdfsError>(&outcome)) {
      if (by_pages && all.empty() && error->trouble == HdfsTrouble::invalid &&
          error->kind != ErrorClass::input) {
        by_pages = false;  // older than Hadoop 2.9
        continue;
      }
      return std::move(*error);
    }
    const HttpReply& reply = std::get<HttpReply>(outcome);
    std::optional<Page> page = reply.cut ? std::nullopt : parse_page(reply.body);
    if (!page) {
      return odd_answer(action, impl_->peer(), reply);
    }
    bool any_new = false;
    for (FileStatus& entry : page->entries) {
      if (seen.insert(entry.name).second) {
        all.push_back(std::move(entry));
        any_new = true;
      }
    }
    if (all.size() > kMaxEntries) {
      return failed(HdfsTrouble::other, ErrorClass::io,
                    action + ": more than " + std::to_string(kMaxEntries) + " entries");
    }
    if (!any_new || page->remaining == 0) {
      return all;
    }
  }
}

HdfsStatus WebHdfs::create(const std::string& path, const Upload& upload) {
  const std::string action = "cannot create " + quoted(path);
  std::string query = std::string("op=CREATE&overwrite=") + (upload.overwrite ? "true" : "false") +
                      "&permission=" + url_encode(upload.permission) +
                      "&createparent=" + (upload.create_parent ? "true" : "false");
  if (upload.block_size != 0) {
    query += "&blocksize=" + std::to_string(upload.block_size);
  }
  if (upload.replication != 0) {
    query += "&replication=" + std::to_string(upload.replication);
  }
  if (upload.sync_block) {
    query += "&createflag=create,overwrite,sync_block";
  }
  if (!upload.exclude_datanodes.empty()) {
    query += "&excludedatanodes=" + url_encode(upload.exclude_datanodes);
  }
  Reply outcome = impl_->ask({action, "PUT", path, query});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    error->outcome_unknown = false;  // the first step writes nothing
    return std::move(*error);
  }
  const HttpReply& redirect = std::get<HttpReply>(outcome);
  std::string location = redirect.location;
  if (redirect.status == 200) {
    location = parse_string(redirect.body, "Location").value_or("");
  }
  const bool https = location.starts_with("https://");
  if (redirect.status == 201 || (!https && !location.starts_with("http://"))) {
    return odd_answer(action, impl_->peer(), redirect);
  }
  if (!https && impl_->settings.endpoints[impl_->active].starts_with("https://")) {
    return failed(HdfsTrouble::other, ErrorClass::config,
                  action + ": " + impl_->peer() + " leads from https to " + origin_of(location),
                  "data and token would travel in the clear; check dfs.http.policy");
  }

  const HttpBody body{upload.fd, upload.offset, upload.length};
  HttpRequest request;
  request.method = "PUT";
  request.url = location;
  request.headers = {"Content-Type: application/octet-stream", "X-XSRF-HEADER: fl"};
  request.body = &body;
  request.max_reply = kMaxReply;
  auto sent = impl_->datanodes.send(request);
  const std::string peer = "DataNode " + origin_of(location);
  HdfsError error;
  if (auto* reply = std::get_if<HttpReply>(&sent)) {
    if (reply->status == 201) {
      return {};
    }
    error = classify_reply(action, peer, reply->status, reply->body);
    error.datanode = reply->peer_ip;
    if (reply->status == 200 || reply->status == 307) {
      error = odd_answer(action, peer, *reply);  // only one redirect is followed
    }
  } else {
    const HttpFailure& failure = std::get<HttpFailure>(sent);
    error = from_failure(action, peer, failure);
    error.datanode = failure.peer_ip;
  }
  if (error.datanode.empty()) {
    error.datanode = address_of(origin_of(location));
  }
  error.ask_other_namenode = false;
  return error;
}

HdfsStatus WebHdfs::Impl::settle_rename(const std::string& action, const std::string& from,
                                        const std::string& to, std::uint64_t file_id,
                                        HdfsError why) {
  const auto source = status(from);
  const auto target = source ? status(to) : source;
  if (!source || !target) {
    uncertain.emplace(from, to);
    HdfsError error = source ? target.error() : source.error();
    error.message = action + ": the outcome is unknown: " + error.message;
    error.outcome_unknown = true;
    return error;
  }
  if (!source->has_value() && target->has_value() &&
      (file_id == 0 || (*target)->file_id == 0 || (*target)->file_id == file_id)) {
    uncertain.reset();
    return {};
  }
  if (target->has_value()) {
    uncertain.reset();
    return failed(HdfsTrouble::exists, ErrorClass::create,
                  action + ": " + quoted(to) + " already exists");
  }
  if (source->has_value()) {
    if (why.trouble == HdfsTrouble::retry) {
      uncertain.emplace(from, to);  // the lost request may still be on its way
    } else {
      uncertain.reset();
    }
    return why;
  }
  uncertain.reset();
  return failed(HdfsTrouble::missing, ErrorClass::io,
                action + ": " + quoted(from) + " does not exist");
}

HdfsStatus WebHdfs::Impl::take_back(const std::string& action, const std::string& from,
                                    const std::string& to) {
  const auto target = status(to);
  if (!target || !target->has_value() || !(*target)->is_directory) {
    return {};
  }
  const std::string inside = to + from.substr(from.rfind('/'));
  const auto moved = status(inside);
  if (!moved || !moved->has_value()) {
    return {};  // a directory was renamed, to a name that was free
  }
  Reply outcome = ask({action, "PUT", inside, "op=RENAME&destination=" + url_encode(from)});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    error->message += "; it is now " + quoted(inside);
    error->trouble = HdfsTrouble::other;
    error->kind = ErrorClass::io;
    return std::move(*error);
  }
  return failed(HdfsTrouble::exists, ErrorClass::create,
                action + ": " + quoted(to) + " already exists, as a directory");
}

HdfsStatus WebHdfs::rename(const std::string& from, const std::string& to, std::uint64_t file_id) {
  const std::string action = "cannot rename " + quoted(from) + " to " + quoted(to);
  if (HdfsStatus valid = check_path(action, to); !valid) {
    return valid;
  }
  const bool repeated = impl_->uncertain == std::pair(from, to);
  Impl::Call call{action, "PUT", from,
                  "op=RENAME&renameoptions=NONE&destination=" + url_encode(to)};
  call.repeatable = false;
  // A repeat inside the library would make "not found" of "done".
  call.fresh_connection = file_id == 0;
  Reply outcome = impl_->ask(call);
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    const bool lost = error->outcome_unknown;
    const bool maybe_done = error->trouble == HdfsTrouble::missing && (repeated || file_id != 0);
    if (lost && error->trouble == HdfsTrouble::cancelled) {
      impl_->uncertain.emplace(from, to);
      return std::move(*error);
    }
    if (lost || maybe_done) {
      return impl_->settle_rename(action, from, to, file_id, std::move(*error));
    }
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  // HttpFS ignores renameoptions and answers with a boolean; WebHDFS answers with nothing.
  const std::optional<bool> done = parse_boolean(reply.body);
  if (reply.status != 200 || (!done && !reply.body.empty())) {
    return odd_answer(action, impl_->peer(), reply);
  }
  if (done && !*done) {
    HdfsError refused =
        failed(HdfsTrouble::missing, ErrorClass::io, action + ": " + impl_->peer() + " refuses",
               "is the directory of the new name still there?");
    if (repeated || file_id != 0) {
      return impl_->settle_rename(action, from, to, file_id, std::move(refused));
    }
    const auto target = impl_->status(to);
    if (!target) {
      return target.error();
    }
    if (target->has_value()) {
      refused = failed(HdfsTrouble::exists, ErrorClass::create,
                       action + ": " + quoted(to) + " already exists");
    }
    return refused;
  }
  impl_->uncertain.reset();
  return done ? impl_->take_back(action, from, to) : HdfsStatus();
}

HdfsResult<bool> WebHdfs::remove(const std::string& path, bool recursive) {
  const std::string action = "cannot delete " + quoted(path);
  Reply outcome =
      impl_->ask({action, "DELETE", path,
                  std::string("op=DELETE&recursive=") + (recursive ? "true" : "false")});
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  const std::optional<bool> done = parse_boolean(reply.body);
  if (!done) {
    return odd_answer(action, impl_->peer(), reply);
  }
  return *done;
}

std::string encode_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    out += url_encode(path.substr(0, slash));
    path.remove_prefix(slash);
    if (!path.empty()) {
      out += '/';
      path.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace fl
