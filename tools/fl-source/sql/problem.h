// What an error of the server or of its library means for us.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// `what`: the failed action, "cannot read shop.orders". Class unavailable: the server is away or
/// the connection is lost, and it may be tried again. `text` is from the server: any bytes.
Error sql_problem(const std::string& what, unsigned number, std::string_view text);

}  // namespace fl
