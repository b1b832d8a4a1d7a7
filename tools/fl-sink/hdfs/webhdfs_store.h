// HDFS: a part is gathered in an unlinked spool file, uploaded whole to a hidden temporary,
// verified, renamed (DESIGN 7).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/hadoop/location.h"
#include "common/hadoop/webhdfs.h"
#include "tools/fl-sink/hdfs/store.h"

namespace fl {

struct WebHdfsStoreSettings {
  HdfsLocation location;
  WebHdfs::Upload upload;  ///< permission, block size and the like of all files
  std::string base;        ///< directory; relative: below the home directory there
  std::string spool_dir;   ///< empty: $TMPDIR, else /var/tmp
  std::uint64_t spool_bytes = 4ull << 30;
  std::int64_t grace_ms = 10'000;  ///< for open()
};

std::unique_ptr<Store> make_webhdfs_store(WebHdfsStoreSettings settings);

}  // namespace fl
