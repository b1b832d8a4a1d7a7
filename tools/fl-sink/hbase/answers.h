// What an answer of the REST gateway means, which is not always what it says.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/http/posts.h"

namespace fl {

/// What a sink does after an answer.
enum class HBaseAnswer {
  stored,
  exists,   ///< 304: the row was there (--put-if-absent)
  refused,  ///< 400: one of the rows is bad, and none was stored
  again,    ///< it passes by itself
  blocked,  ///< it is tried again, but a person has to act
  ends,     ///< the sink ends: table, family or rights are not as they must be
};

HBaseAnswer hbase_answer(long status);

/// The error of an answer that is not `stored`, in words for the user. `shown`: the gateway.
Error hbase_error(const PostOutcome& outcome, const std::string& shown, const std::string& table,
                  const std::string& family);

/// Whether it says that the table is disabled. Only puts with a condition and increments are
/// answered so; others as if a region were moving (503), or not at all.
bool hbase_is_disabled(const PostOutcome& outcome);

/// Whether it says that the cell of an increment holds no number of 8 bytes, which never passes.
bool hbase_is_no_counter(const PostOutcome& outcome);

/// Whether the answer to GET /TABLE/schema names the family. Class config: it does not, or
/// it is not a schema.
Status check_hbase_schema(std::string_view json, const std::string& shown, const std::string& table,
                          const std::string& family);

}  // namespace fl
