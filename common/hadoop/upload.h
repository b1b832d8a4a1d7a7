// Uploads of whole files: the two steps of WebHDFS, the one of HttpFS, and which DataNode.
#pragma once

#include <memory>
#include <string>

#include "common/hadoop/answers.h"
#include "common/hadoop/hdfs_error.h"
#include "common/hadoop/namenodes.h"
#include "common/hadoop/session.h"
#include "common/hadoop/webhdfs.h"

namespace fl {

/// One thread; outlived by what it refers to.
class Uploader {
 public:
  Uploader(const WebHdfsSettings& settings, std::shared_ptr<HdfsSession> session,
           NameNodes& namenodes);
  /// WebHdfs::create(). A DataNode that fails is avoided by the next attempts of all clients of the
  /// session.
  HdfsStatus create(const std::string& path, const WebHdfs::Upload& upload);

 private:
  HdfsStatus create_at_gateway(const HdfsCall& call, const WebHdfs::Upload& upload);
  HdfsStatus create_at_datanode(const HdfsCall& call, const WebHdfs::Upload& upload);
  HdfsStatus send_file(const std::string& action, const std::string& location,
                       const RedirectTarget& target, const WebHdfs::Upload& upload);
  std::string exclusion_of(const RedirectTarget& target, const std::string& ip);

  const WebHdfsSettings settings_;
  const std::shared_ptr<HdfsSession> session_;
  NameNodes& namenodes_;
  HttpClient datanodes_;
};

}  // namespace fl
