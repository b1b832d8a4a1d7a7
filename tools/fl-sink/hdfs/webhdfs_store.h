// HDFS: a part is gathered in an unlinked spool file, uploaded whole to a hidden temporary,
// verified, renamed: readers see whole files under final names only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/hadoop/location.h"
#include "common/hadoop/webhdfs.h"
#include "tools/fl-sink/hdfs/store.h"

namespace fl {

struct HdfsOptions;

struct WebHdfsStoreSettings {
  WebHdfsSettings client;  ///< without session and cancel
  WebHdfs::Upload upload;  ///< permission, block size and the like of all files
  std::string hint;        ///< HdfsLocation::hint
  std::string base;        ///< directory; relative: below the home directory there
  std::string spool_dir;   ///< empty: $TMPDIR, else /var/tmp
  std::uint64_t spool_bytes = 4ull << 30;
  std::int64_t grace_ms = 10'000;  ///< for open()
};

/// All but base and grace from the sink's options. Error of class config: an invalid address map.
Result<WebHdfsStoreSettings> webhdfs_store_settings(const HdfsOptions& options,
                                                    const HdfsLocation& location);

std::unique_ptr<Store> make_webhdfs_store(WebHdfsStoreSettings settings);

}  // namespace fl
