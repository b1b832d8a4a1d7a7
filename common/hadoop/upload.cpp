#include "common/hadoop/upload.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

namespace fl {
namespace {

constexpr std::size_t kMaxReply = std::size_t{1} << 20;
/// HttpFS is one process for all DataNodes.
constexpr int kGatewayFactor = 4;

HdfsError stopped(const std::string& action) {
  return hdfs_error(HdfsTrouble::cancelled, action + ": stopped");
}

std::string query_of(const WebHdfs::Upload& upload) {
  // Defaults differ between WebHDFS and HttpFS: nothing is left to them.
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
  return query;
}

/// Whether `host` is an address and not a name.
bool is_ipv4(const std::string& host) {
  return host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

Uploader::Uploader(const WebHdfsSettings& settings, std::shared_ptr<HdfsSession> session,
                   NameNodes& namenodes)
    : settings_(settings),
      session_(std::move(session)),
      namenodes_(namenodes),
      // Cookies know no ports: a NameNode's must not reach a DataNode on the same host.
      datanodes_(http_settings(settings, /*cookies=*/false)) {}

HdfsStatus Uploader::create(const std::string& path, const WebHdfs::Upload& upload) {
  HdfsCall call;
  call.action = "cannot create '" + path + "'";
  call.method = "PUT";
  call.path = path;
  call.query = query_of(upload);
  if (settings_.httpfs) {
    return create_at_gateway(call, upload);
  }
  call.standby_answers = true;
  const std::string avoided = session_->excluded();
  HdfsCall first = call;
  std::string excluded = upload.exclude_datanodes;
  if (!avoided.empty()) {
    excluded += (excluded.empty() ? "" : ",") + avoided;
  }
  if (!excluded.empty()) {
    first.query += "&excludedatanodes=" + url_encode(excluded);
  }
  HdfsStatus done = create_at_datanode(first, upload);
  if (!done && !avoided.empty() && done.error().trouble == HdfsTrouble::datanode &&
      done.error().datanode.empty()) {
    // No other one is left: rather one that failed a while ago than none.
    session_->readmit_all();
    if (!upload.exclude_datanodes.empty()) {
      call.query += "&excludedatanodes=" + url_encode(upload.exclude_datanodes);
    }
    done = create_at_datanode(call, upload);
  }
  return done;
}

HdfsStatus Uploader::create_at_gateway(const HdfsCall& call, const WebHdfs::Upload& upload) {
  if (!upload.create_parent) {
    // HttpFS makes the directories whatever it is told. This check makes that unlikely, not
    // impossible.
    HdfsCall look;
    look.action = call.action;
    look.method = "GET";
    const std::size_t slash = call.path.rfind('/');
    look.path = slash == 0 ? "/" : call.path.substr(0, slash);
    look.query = "op=GETFILESTATUS";
    HdfsReply parent = namenodes_.ask(look);
    if (auto* error = std::get_if<HdfsError>(&parent)) {
      return std::move(*error);
    }
  }
  const std::string server = namenodes_.endpoint();
  std::unique_ptr<HdfsSession::Slot> slot;
  if (session_->wait_for_turn(server, settings_.uploads_per_datanode * kGatewayFactor,
                              settings_.cancel, slot) != HdfsSession::Turn::granted) {
    return stopped(call.action);  // a gateway is never avoided
  }
  const HttpBody body{upload.fd, upload.offset, upload.length};
  HdfsCall put = call;
  put.query += "&data=true";
  put.body = &body;
  put.repeatable = false;
  HdfsReply outcome = namenodes_.ask(put);
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    return std::move(*error);
  }
  const HttpReply& reply = std::get<HttpReply>(outcome);
  if (reply.status != 201) {
    return odd_answer(call.action, namenodes_.peer(), reply);
  }
  return {};
}

HdfsStatus Uploader::create_at_datanode(const HdfsCall& call, const WebHdfs::Upload& upload) {
  HdfsReply outcome = namenodes_.ask(call);
  if (auto* error = std::get_if<HdfsError>(&outcome)) {
    error->outcome_unknown = false;  // the first step writes nothing
    return std::move(*error);
  }
  const HttpReply& redirect = std::get<HttpReply>(outcome);
  std::string location = redirect.location;
  if (redirect.status == 200) {
    location = parse_member(redirect.body, "Location").value_or("");
  }
  const std::optional<RedirectTarget> target = parse_redirect(location);
  if (redirect.status == 201 || !target) {
    return odd_answer(call.action, namenodes_.peer(), redirect);
  }
  if (!target->https && namenodes_.endpoint().starts_with("https://")) {
    return hdfs_error(
        HdfsTrouble::invalid,
        call.action + ": " + namenodes_.peer() + " leads from https to " + target->origin,
        "data and token would travel in the clear; check dfs.http.policy");
  }
  const std::string peer = "DataNode " + target->origin;
  std::unique_ptr<HdfsSession::Slot> slot;
  switch (session_->wait_for_turn(target->origin, settings_.uploads_per_datanode, settings_.cancel,
                                  slot)) {
    case HdfsSession::Turn::cancelled:
      return stopped(call.action);
    case HdfsSession::Turn::avoided: {
      HdfsError error =
          hdfs_error(HdfsTrouble::datanode,
                     call.action + ": " + peer + " failed while other uploads to it ran");
      error.waiting_for = peer + ": failed";
      error.datanode = target->host + ":" + target->port;
      return error;
    }
    case HdfsSession::Turn::granted:
      break;
  }
  return send_file(call.action, location, *target, upload);
}

HdfsStatus Uploader::send_file(const std::string& action, const std::string& location,
                               const RedirectTarget& target, const WebHdfs::Upload& upload) {
  const HttpBody body{upload.fd, upload.offset, upload.length};
  HttpRequest request;
  request.method = "PUT";
  request.url = location;
  request.headers = {"Content-Type: application/octet-stream", "X-XSRF-HEADER: fl"};
  request.body = &body;
  request.max_reply = kMaxReply;
  request.answer_ms = settings_.call_timeout_ms;  // it begins when all is stored
  // A DataNode says 100 Continue at once, a gateway only its last word.
  const std::optional<RedirectTarget> asked = parse_redirect(namenodes_.endpoint());
  const bool is_gateway = asked && same_origin(*asked, target);
  if (!is_gateway) {
    request.first_answer_ms = settings_.call_timeout_ms;
  }
  auto sent = is_gateway ? namenodes_.send_to_last(std::move(request)) : datanodes_.send(request);
  const std::string peer = "DataNode " + target.origin;
  HdfsError error;
  std::string ip;
  if (auto* reply = std::get_if<HttpReply>(&sent)) {
    if (reply->status == 201) {
      return {};
    }
    ip = reply->peer_ip;
    error = classify_reply(action, peer, reply->status, reply->body);
    if (reply->status == 200 || reply->status == 307) {
      error = odd_answer(action, peer, *reply);  // only one redirect is followed
    } else if (reply->status >= 500 && error.trouble == HdfsTrouble::wait) {
      error.trouble = HdfsTrouble::datanode;
    }
  } else {
    const HttpFailure& failure = std::get<HttpFailure>(sent);
    ip = failure.peer_ip;
    error = from_http_failure(action, peer, failure, HdfsTrouble::datanode);
  }
  if (error.trouble == HdfsTrouble::token) {
    session_->login().forget_token();  // it went with the redirect
  }
  if (error.trouble == HdfsTrouble::datanode) {
    if (ip.empty() && is_ipv4(target.host)) {
      ip = target.host;  // one that refuses the connection is known by nothing else
    }
    error.datanode = (ip.empty() ? target.host : ip) + ":" + target.port;
    session_->avoid(target.origin, exclusion_of(target, ip));
  }
  error.message = session_->login().scrub(std::move(error.message));
  error.ask_other_namenode = false;
  return error;
}

std::string Uploader::exclusion_of(const RedirectTarget& target, const std::string& ip) {
  // The NameNode knows DataNodes by IP and transfer port, a redirect names the HTTP port.
  HttpRequest request;
  request.url = namenodes_.endpoint() + "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo";
  request.max_reply = kMaxNameNodeInfo;
  request.first_answer_ms = std::min<std::int64_t>(settings_.call_timeout_ms, 5'000);
  request.answer_ms = request.first_answer_ms;
  const auto outcome = namenodes_.send_to_last(std::move(request));
  if (const auto* reply = std::get_if<HttpReply>(&outcome);
      reply != nullptr && reply->status == 200) {
    if (auto address = parse_transfer_address(reply->body, target.host, ip, target.port)) {
      session_->remember_transfer_address(target.origin, *address);
      return *address;
    }
  }
  // The bare IP means any one of the DataNodes on that host.
  const std::string known = session_->transfer_address(target.origin);
  return known.empty() ? ip : known;
}

}  // namespace fl
