// Questions to the NameNodes of a cluster (or its HttpFS): which one, as whom, what the answer
// means.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "common/hadoop/hdfs_error.h"
#include "common/hadoop/session.h"
#include "common/http/client.h"

namespace fl {

struct HdfsCall {
  std::string action;  ///< for error texts: "cannot list '/x'"
  std::string method;
  std::string path;
  std::string query;  ///< begins with "op="
  std::size_t max_reply = std::size_t{1} << 20;
  bool repeatable = true;         ///< carrying it out twice does no harm
  bool fresh_connection = false;  ///< HttpRequest::fresh_connection
  bool standby_answers = false;   ///< an answer does not prove that the NameNode is active
  const HttpBody* body = nullptr;
};

using HdfsReply = std::variant<HttpReply, HdfsError>;

/// One thread. Cookies and connections are kept.
class NameNodes {
 public:
  NameNodes(const WebHdfsSettings& settings, std::shared_ptr<HdfsSession> session);

  /// Asks the NameNodes in turn, the active one first; an answer of 200, 201 or 307 is a reply, all
  /// else an error.
  HdfsReply ask(const HdfsCall& call);
  /// A request to the endpoint that answered last, as it is, with our login.
  std::variant<HttpReply, HttpFailure> send_to_last(HttpRequest request);
  /// Gives our delegation token back, if we fetched one; does not report a failure of that.
  void log_out();
  /// The endpoint that answered last, for people.
  std::string peer() const;
  const std::string& endpoint() const { return settings_.endpoints[last_]; }

 private:
  HdfsReply ask_one(const HdfsCall& call, std::size_t index);
  HdfsReply send_with(const HdfsCall& call, const HdfsLogin::Proof& proof);

  const WebHdfsSettings settings_;
  const std::shared_ptr<HdfsSession> session_;
  HttpClient client_;
  std::size_t last_ = 0;
};

/// `away`: what it means that the peer did not answer.
HdfsError from_http_failure(const std::string& action, const std::string& peer,
                            const HttpFailure& failure, HdfsTrouble away);
/// An answer that is not WebHDFS's.
HdfsError odd_answer(const std::string& action, const std::string& peer, const HttpReply& reply);
HttpClient::Settings http_settings(const WebHdfsSettings& settings, bool cookies);

}  // namespace fl
