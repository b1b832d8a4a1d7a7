// MD5 (RFC 1321), with which Flume checks the files of open transactions.
#pragma once

#include <string>
#include <string_view>

namespace fl {

/// 16 bytes.
std::string md5(std::string_view bytes);

}  // namespace fl
