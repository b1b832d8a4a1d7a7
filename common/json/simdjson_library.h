// simdjson, loaded when JSON is first read: linked, it would make every start of a stage slower.
#pragma once

#define SIMDJSON_EXCEPTIONS 0  // theirs need a table of the library
#include <simdjson.h>

#include "common/base/error.h"

namespace fl {

/// Loads the library at the first call; before it has succeeded, no parser may be used. Errors:
/// class config.
Status load_simdjson();
/// What simdjson::error_message() says, which would need the library linked.
const char* simdjson_message(simdjson::error_code code);

}  // namespace fl
