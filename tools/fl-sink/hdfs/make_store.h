// The store of a location.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/hadoop/location.h"
#include "tools/fl-sink/hdfs/store.h"

namespace fl {

struct HdfsOptions;

/// `base`: the directory there that buckets are below. Errors: class config.
Result<std::unique_ptr<Store>> make_store(const HdfsOptions& options, const HdfsLocation& location,
                                          const std::string& base, std::int64_t grace_ms);

}  // namespace fl
