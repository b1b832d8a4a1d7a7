// What the answers of WebHDFS and HttpFS hold, and what may be asked of them. All of it is
// untrusted input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/hadoop/hdfs_error.h"
#include "common/hadoop/webhdfs.h"

namespace fl {

/// Refuses what HDFS refuses as a path, before anything is sent (invalid, class input).
HdfsStatus check_hdfs_path(const std::string& action, const std::string& path);

/// {"boolean":b}
std::optional<bool> parse_boolean(const std::string& body);
/// A member of the outermost object.
std::optional<std::string> parse_member(const std::string& body, std::string_view key);
/// {"Token":{"urlString":"..."}}
std::optional<std::string> parse_token(const std::string& body);
/// {"long":n}, n not negative
std::optional<std::int64_t> parse_long(const std::string& body);
/// {"FileStatus":{...}}
std::optional<WebHdfs::FileStatus> parse_file_status(const std::string& body);

struct ListPage {
  std::vector<WebHdfs::FileStatus> entries;
  std::uint64_t remaining = 0;
};
/// The longest listing that is read: HttpFS answers a whole directory at once, one entry takes
/// about 300 bytes.
constexpr std::size_t kMaxListing = std::size_t{64} << 20;
/// {"FileStatuses":...} or {"DirectoryListing":...}; a name that leads elsewhere makes it invalid.
std::optional<ListPage> parse_list_page(const std::string& body);

/// Where a redirect leads.
struct RedirectTarget {
  std::string origin;  ///< "http://host:port", without a login or the token of the query
  std::string host;
  std::string port;
  bool https = false;
};
/// nullopt: not a URL of http or https that a NameNode would send (an empty host, a login in it, an
/// invalid port, bytes that no URL may hold).
std::optional<RedirectTarget> parse_redirect(std::string_view location);
/// Whether scheme, host and port are the same.
bool same_origin(const RedirectTarget& a, const RedirectTarget& b);

/// The transfer address "IP:port" of the DataNode whose HTTP server is `host`:`port` or
/// `ip`:`port`, from a NameNode's /jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo.
std::optional<std::string> parse_transfer_address(const std::string& body, std::string_view host,
                                                  std::string_view ip, std::string_view port);
constexpr std::size_t kMaxNameNodeInfo = std::size_t{16} << 20;

}  // namespace fl
