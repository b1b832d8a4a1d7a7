// file:// : the hidden temporary in the bucket's own directory is gathered in, then synced and
// renamed, never over an existing file.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tools/fl-sink/hdfs/store.h"

namespace fl {

/// `base`: the directory the user chose; buckets are below it and cannot leave it. `mode`: of
/// files, else as the umask says.
std::unique_ptr<Store> make_local_store(const std::string& base,
                                        std::optional<unsigned> mode = std::nullopt);

}  // namespace fl
