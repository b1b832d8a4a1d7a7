#include "tools/fl-sink/hdfs/make_store.h"

#include <utility>

#include "tools/fl-sink/hdfs/local_store.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/webhdfs_store.h"

namespace fl {

Result<std::unique_ptr<Store>> make_store(const HdfsOptions& options, const HdfsLocation& location,
                                          const std::string& base, std::int64_t grace_ms) {
  if (location.scheme == HdfsLocation::Scheme::file) {
    return make_local_store(base.empty() ? "." : base, parse_mode(options.permission));
  }
  Result<WebHdfsStoreSettings> settings = webhdfs_store_settings(options, location);
  if (!settings) {
    return settings.error();
  }
  settings->base = base;
  settings->grace_ms = grace_ms;
  return make_webhdfs_store(std::move(*settings));
}

}  // namespace fl
