// Where PATH leads: HDFS or a local directory.
#pragma once

#include <string>

#include "common/base/error.h"
#include "common/hadoop/location.h"

namespace fl {

struct HdfsOptions;

struct Where {
  HdfsLocation location;
  /// The path with its escapes; for HDFS absolute or relative to the home directory.
  std::string path;
  /// What to tell the user about the choice; empty: nothing.
  std::string note;
};

/// Class config, naming the places searched, when nothing says where to write and nobody sits at a
/// terminal to see where it went.
Result<Where> find_where(const HdfsOptions& options, bool terminal);

}  // namespace fl
