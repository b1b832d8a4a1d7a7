// A client of HDFS over HTTP: WebHDFS (NameNode and DataNodes) and HttpFS.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/hadoop/hdfs_error.h"
#include "common/hadoop/webhdfs_settings.h"

namespace fl {

/// One per thread; blocking. Each call asks the NameNode that was active last and, when that one is
/// standby or unreachable, each other endpoint once; waiting and repeating is the caller's part
/// (HdfsError::retry()). Paths are absolute, literal bytes; a component that is ".", ".." or has
/// a ':' or NUL is refused before anything is sent (invalid, class input).
class WebHdfs {
 public:
  using Settings = WebHdfsSettings;
  struct FileStatus {
    bool is_directory = false;
    std::uint64_t length = 0;
    std::int64_t modified_ms = 0;
    std::string name;           ///< last component in list(); empty in status()
    std::uint64_t file_id = 0;  ///< 0: not known (HttpFS)
  };
  struct Upload {
    int fd = -1;  ///< read with pread only
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::uint64_t block_size = 0;  ///< 0: the server's
    int replication = 0;           ///< 0: the server's
    std::string permission = "644";
    bool sync_block = false;    ///< fsync each block on the DataNodes
    bool overwrite = false;     ///< sync_block has HDFS overwrite too: use a fresh name
    bool create_parent = true;  ///< false: `missing` when the directory is gone (not HttpFS)
    /// "IP,IP:transferPort": beside those that the session avoids.
    std::string exclude_datanodes = {};
  };

  explicit WebHdfs(Settings settings);
  ~WebHdfs();
  WebHdfs(const WebHdfs&) = delete;
  WebHdfs& operator=(const WebHdfs&) = delete;

  /// Absolute path of the user's home directory (which need not exist).
  HdfsResult<std::string> home_directory();
  /// Makes the directory and its parents; fine when it exists. Permission in octal, "755".
  HdfsStatus mkdirs(const std::string& path, const std::string& permission = "755");
  /// nullopt: no such path.
  HdfsResult<std::optional<FileStatus>> status(const std::string& path);
  /// Direct children, in the server's order; `missing` when there is no such directory. At most a
  /// million entries.
  HdfsResult<std::vector<FileStatus>> list(const std::string& path);
  /// Uploads a whole file. On success it is closed and every replica has acknowledged it; compare
  /// status().length before it counts. On any failure a shorter file with that name may be left,
  /// closed or open; take another name for the next attempt (also after `exists`, which a lost
  /// answer may cause).
  HdfsStatus create(const std::string& path, const Upload& upload);
  /// Never replaces `to`, never moves into a directory: `exists`. `missing`: `from` or the parent
  /// of `to` is gone. A lost answer is settled by asking for both names; `source`, from
  /// status(from), tells whether `to` is the file that was moved (by its number, on HttpFS, which
  /// tells none, by length and time). retry() is `soon`: call again with the same names; even then
  /// nothing is done twice.
  HdfsStatus rename(const std::string& from, const std::string& to, const FileStatus& source);
  HdfsStatus rename(const std::string& from, const std::string& to, std::uint64_t file_id = 0) {
    FileStatus source;
    source.file_id = file_id;
    return rename(from, to, source);
  }
  /// With Kerberos: gives the session's delegation token back to the cluster, which else keeps it
  /// for a day. For the last client, at the end; the outcome does not matter.
  void log_out();
  /// False: was not there. A directory that is not empty needs `recursive`.
  HdfsResult<bool> remove(const std::string& path, bool recursive);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// `path` with each byte outside [A-Za-z0-9._~-] and '/' as %XX.
std::string encode_path(std::string_view path);

}  // namespace fl
