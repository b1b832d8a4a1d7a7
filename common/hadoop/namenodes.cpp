#include "common/hadoop/namenodes.h"

#include <algorithm>
#include <utility>

#include "common/hadoop/answers.h"
#include "common/hadoop/webhdfs.h"

namespace fl {

HdfsError from_http_failure(const std::string& action, const std::string& peer,
                            const HttpFailure& failure, HdfsTrouble away) {
  const std::string text = one_line(failure.text);
  HdfsTrouble trouble = away;
  std::string message = action + ": " + peer + ": " + text;
  std::string hint;
  switch (failure.kind) {
    case HttpFailure::Kind::unknown_host:
      hint = away == HdfsTrouble::datanode
                 ? "this host cannot resolve the names of the cluster's DataNodes: give "
                   "--connect-to NAME:PORT=ADDRESS:PORT, or put them into /etc/hosts"
                 : "";
      break;
    case HttpFailure::Kind::plain:
      trouble = HdfsTrouble::invalid;
      hint =
          "this port does not speak TLS: webhdfs:// is WebHDFS without it (9870), swebhdfs:// "
          "with it (9871)";
      break;
    case HttpFailure::Kind::encrypted:
      trouble = HdfsTrouble::other;
      hint = "the answer is not HTTP; a port of HTTPS (9871) needs swebhdfs://";
      break;
    case HttpFailure::Kind::connect:
    case HttpFailure::Kind::stalled:
    case HttpFailure::Kind::broken:
      break;
    case HttpFailure::Kind::cancelled:
      trouble = HdfsTrouble::cancelled;
      message = action + ": stopped";
      break;
    case HttpFailure::Kind::body:
      trouble = HdfsTrouble::local;
      message = action + ": cannot read the gathered data: " + failure.text;
      break;
    case HttpFailure::Kind::tls:
      trouble = HdfsTrouble::permission;
      hint =
          "check the certificate authorities this client trusts, and the name in the server's "
          "certificate";
      break;
    case HttpFailure::Kind::login:
      trouble = HdfsTrouble::permission;
      hint = "no Kerberos ticket? (klist, kinit)";
      break;
    case HttpFailure::Kind::setup:
      trouble = HdfsTrouble::invalid;
      hint = "certificates and keys are PEM files; a key has no passphrase";
      break;
    case HttpFailure::Kind::other:
      trouble = HdfsTrouble::other;
      break;
  }
  HdfsError error = hdfs_error(trouble, std::move(message), std::move(hint));
  error.outcome_unknown = failure.may_have_arrived;
  error.ask_other_namenode = trouble == HdfsTrouble::standby;
  if (error.retry() != HdfsRetry::never) {
    error.waiting_for = peer + ": " + text;
  }
  return error;
}

HdfsError odd_answer(const std::string& action, const std::string& peer, const HttpReply& reply) {
  const std::string what =
      "answers with HTTP status " + std::to_string(reply.status) +
      (reply.cut ? " and more than a reply may hold" : " and a reply that is not WebHDFS");
  HdfsError error = hdfs_error(HdfsTrouble::other, action + ": " + peer + " " + what,
                               "is this the HTTP address of a NameNode or of HttpFS?");
  error.waiting_for = peer + " " + what;
  return error;
}

HttpClient::Settings http_settings(const WebHdfsSettings& settings, bool cookies) {
  HttpClient::Settings http;
  http.tls = settings.tls;
  http.address_map = settings.connect_map;
  http.use_proxy = settings.use_proxy;
  http.cookies = cookies;
  http.connect_timeout_ms = std::min(settings.connect_timeout_ms, settings.call_timeout_ms);
  http.stall_timeout_ms = settings.stall_timeout_ms;
  http.cancel = settings.cancel;
  return http;
}

NameNodes::NameNodes(const WebHdfsSettings& settings, std::shared_ptr<HdfsSession> session)
    : settings_(settings),
      session_(std::move(session)),
      client_(http_settings(settings, /*cookies=*/true)) {}

std::string NameNodes::peer() const {
  return (settings_.httpfs ? "HttpFS " : "NameNode ") + endpoint();
}

HdfsReply NameNodes::send_with(const HdfsCall& call, const HdfsLogin::Proof& proof) {
  HttpRequest request;
  request.method = call.method;
  request.max_reply = call.max_reply;
  request.negotiate = proof.negotiate;
  request.fresh_connection = call.fresh_connection;
  request.body = call.body;
  if (call.body == nullptr) {
    request.first_answer_ms = settings_.call_timeout_ms;
    // A directory of a million files takes a while.
    request.answer_ms = settings_.call_timeout_ms * (call.max_reply > (1 << 20) ? 10 : 1);
  }
  if (call.method != "GET") {
    request.headers = {"X-XSRF-HEADER: fl", "Content-Type: application/octet-stream"};
  }
  request.url =
      endpoint() + "/webhdfs/v1" + encode_path(call.path) + "?" + call.query + proof.query;
  auto outcome = client_.send(request);
  if (auto* reply = std::get_if<HttpReply>(&outcome)) {
    if (reply->status == 200 || reply->status == 201 || reply->status == 307) {
      return std::move(*reply);
    }
    HdfsError error = classify_reply(call.action, peer(), reply->status, reply->body);
    if (reply->status == 401 && (proof.negotiate || !proof.token.empty())) {
      error.trouble = HdfsTrouble::token;
    }
    return error;
  }
  const HttpFailure& failure = std::get<HttpFailure>(outcome);
  HdfsError error = from_http_failure(call.action, peer(), failure, HdfsTrouble::standby);
  if (failure.kind == HttpFailure::Kind::login) {
    error.trouble = HdfsTrouble::token;
  }
  return error;
}

HdfsReply NameNodes::ask_one(const HdfsCall& call, std::size_t index) {
  last_ = index;
  const auto send = [&](const std::string& method,
                        const std::string& query) -> std::variant<std::string, HdfsError> {
    HdfsCall question;
    question.action = "cannot fetch a token";
    question.method = method;
    question.path = "/";
    question.query = query;
    HdfsLogin::Proof ticket;
    ticket.negotiate = true;
    HdfsReply reply = send_with(question, ticket);
    if (auto* error = std::get_if<HdfsError>(&reply)) {
      return std::move(*error);
    }
    return std::move(std::get<HttpReply>(reply).body);
  };
  for (bool is_first = true;; is_first = false) {
    const HdfsResult<HdfsLogin::Proof> proof = session_->login().prove(call.action, send);
    if (!proof) {
      return proof.error();
    }
    HdfsReply outcome = send_with(call, *proof);
    auto* error = std::get_if<HdfsError>(&outcome);
    if (error == nullptr) {
      return outcome;
    }
    error->message = session_->login().scrub(std::move(error->message));
    if (error->trouble != HdfsTrouble::token) {
      return outcome;
    }
    // Log in again, once.
    if (!session_->login().refused(*proof) || !is_first) {
      error->trouble = HdfsTrouble::permission;
      error->kind = ErrorClass::permission;
      error->hint = proof->token.empty()
                        ? "is the ticket one of this cluster's realm? (klist, kinit)"
                        : "the cluster does not accept a new token either";
      return outcome;
    }
  }
}

HdfsReply NameNodes::ask(const HdfsCall& call) {
  if (HdfsStatus valid = check_hdfs_path(call.action, call.path); !valid) {
    return valid.error();
  }
  const std::size_t count = settings_.endpoints.size();
  if (count == 0) {
    return hdfs_error(HdfsTrouble::invalid, call.action + ": no NameNode is configured");
  }
  HdfsSession::Active active = session_->active();
  if (count > 1 && call.standby_answers && !active.is_known && !settings_.httpfs) {
    HdfsCall probe;
    probe.action = call.action;
    probe.method = "GET";
    probe.path = "/";
    probe.query = "op=GETFILESTATUS";
    HdfsReply probed = ask(probe);
    if (std::holds_alternative<HdfsError>(probed)) {
      return probed;
    }
    active = session_->active();
  }
  HdfsError first_error;
  for (std::size_t tried = 0; tried < count; ++tried) {
    const std::size_t index = (active.index + tried) % count;
    HdfsReply outcome = ask_one(call, index);
    auto* error = std::get_if<HdfsError>(&outcome);
    if (error == nullptr || !error->ask_other_namenode) {
      if (!call.standby_answers && (error == nullptr || error->trouble != HdfsTrouble::wait)) {
        session_->set_active(index);
      }
    }
    if (error == nullptr) {
      return outcome;
    }
    const bool next = error->ask_other_namenode && (call.repeatable || !error->outcome_unknown);
    if (next) {
      session_->pass_over(index);
    }
    // "standby" of the second tells less than what is wrong with the first, and the other way
    // round: both stay.
    if (tried > 0 && error->retry() == HdfsRetry::soon) {
      first_error.message += "; " + error->message.substr(call.action.size() + 2);
      first_error.waiting_for += "; " + error->waiting_for;
      first_error.outcome_unknown = first_error.outcome_unknown || error->outcome_unknown;
    } else {
      first_error = std::move(*error);
    }
    if (!next) {
      break;
    }
  }
  return first_error;
}

void NameNodes::log_out() {
  const std::string token = session_->login().take_token();
  if (token.empty()) {
    return;
  }
  HdfsCall call;
  call.action = "cannot cancel a token";
  call.method = "PUT";
  call.path = "/";
  call.query = "op=CANCELDELEGATIONTOKEN&token=" + url_encode(token);
  // The token itself is proof enough, and needs no KDC, which may be away.
  HdfsLogin::Proof proof;
  proof.token = token;
  proof.query = "&delegation=" + url_encode(token);
  last_ = session_->active().index;
  (void)send_with(call, proof);
}

std::variant<HttpReply, HttpFailure> NameNodes::send_to_last(HttpRequest request) {
  request.negotiate = settings_.kerberos;
  return client_.send(request);
}

}  // namespace fl
