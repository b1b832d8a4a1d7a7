// Requests to a metastore and its answers, as bytes: Thrift's binary protocol. The only place that
// knows the library behind it (libthrift).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/metastore/types.h"

namespace fl {

/// What a metastore says instead of a result.
struct MetastoreRefusal {
  enum class Kind {
    no_such_object,  ///< no such table, partition, database
    already_exists,
    invalid,  ///< an object that cannot be, or one whose table is gone
    general,  ///< MetaException: a database that fails, a directory that cannot be made, ...
    call,     ///< the call itself: an unknown method, a field that is missing
  };
  Kind kind = Kind::general;
  std::string text;
};

/// A result, or why there is none.
template <typename T>
struct MetastoreReply {
  std::optional<T> result;
  MetastoreRefusal refusal;
};

/// Hands out bytes of an answer: at least one, or 0 at its end and where it breaks off.
using MetastoreBytes = std::function<std::size_t(char* to, std::size_t size)>;

/// An answer holds at most so many bytes.
constexpr std::size_t kMaxMetastoreAnswer = std::size_t{64} << 20;

std::string encode_set_ugi(std::int32_t sequence, const std::string& user);
std::string encode_get_table(std::int32_t sequence, const std::string& database,
                             const std::string& table);
std::string encode_get_partition(std::int32_t sequence, const MetastoreTable& table,
                                 const std::string& name);
/// Adds a partition that is stored like its table, unless it is there.
std::string encode_add_partition(std::int32_t sequence, const MetastoreTable& table,
                                 const std::vector<std::string>& values,
                                 const std::string& location);

/// Each reads one answer, to its end. Errors are of class unavailable: it breaks off, it is not
/// that of a metastore, it is too large, or it belongs to another request.
Result<MetastoreReply<bool>> decode_set_ugi(std::int32_t sequence, const MetastoreBytes& bytes);
Result<MetastoreReply<MetastoreTable>> decode_get_table(std::int32_t sequence,
                                                        const MetastoreBytes& bytes);
/// The location of the partition.
Result<MetastoreReply<std::string>> decode_get_partition(std::int32_t sequence,
                                                         const MetastoreBytes& bytes);
Result<MetastoreReply<bool>> decode_add_partition(std::int32_t sequence,
                                                  const MetastoreBytes& bytes);

}  // namespace fl
