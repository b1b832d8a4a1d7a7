// Could a directory be made? What a dry run asks instead of making it.
#pragma once

#include <string>

#include "common/base/error.h"

namespace fl {

/// What LocalDir::open(path, Missing::create) and a first file in it would fail with, as far as it
/// shows without writing: the nearest part of `path` that exists must be a directory that this user
/// may write, on a file system that takes files. The classes are those of a run.
Status check_dir_can_be_made(const std::string& path);

}  // namespace fl
