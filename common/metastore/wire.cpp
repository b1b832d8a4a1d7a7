#include "common/metastore/wire.h"

#include <thrift/TApplicationException.h>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include <cstring>
#include <memory>
#include <utility>

namespace fl {
namespace {

namespace thrift = apache::thrift;
using thrift::protocol::TProtocol;
using thrift::protocol::TType;

constexpr std::int32_t kMaxText = 16 << 20;    // one string of an answer
constexpr std::int32_t kMaxItems = 1'000'000;  // of one list or map
// How many of them are kept. An item may be one byte, and a list may be sent again and again:
// without this an answer would need far more memory than it has bytes.
constexpr std::size_t kMaxKept = 100'000;

// What the library reads an answer from.
class Source final : public thrift::transport::TTransport {
 public:
  explicit Source(const MetastoreBytes& bytes) : bytes_(bytes) {}

  std::uint32_t read_virt(std::uint8_t* to, std::uint32_t size) override {
    using thrift::transport::TTransportException;
    if (total_ >= kMaxMetastoreAnswer) {
      throw TTransportException(TTransportException::CORRUPTED_DATA,
                                "the answer has more than 64 MiB");
    }
    const std::size_t n = bytes_(reinterpret_cast<char*>(to), size);
    if (n == 0) {
      throw TTransportException(TTransportException::END_OF_FILE, "the answer breaks off");
    }
    total_ += n;
    return static_cast<std::uint32_t>(n);
  }
  bool has_begun() const { return total_ != 0; }

 private:
  const MetastoreBytes& bytes_;
  std::size_t total_ = 0;
};

// Writes one request: fields by number, in the order of the calls.
class Request {
 public:
  Request(const char* method, std::int32_t sequence)
      : memory_(std::make_shared<thrift::transport::TMemoryBuffer>()), out_(memory_) {
    out_.writeMessageBegin(method, thrift::protocol::T_CALL, sequence);
  }

  std::string take() {
    stop();
    out_.writeMessageEnd();
    return memory_->getBufferAsString();
  }

  void begin(std::int16_t id) { out_.writeFieldBegin("", thrift::protocol::T_STRUCT, id); }
  void stop() { out_.writeFieldStop(); }
  void text(std::int16_t id, const std::string& value) {
    out_.writeFieldBegin("", thrift::protocol::T_STRING, id);
    out_.writeString(value);
  }
  void flag(std::int16_t id, bool value) {
    out_.writeFieldBegin("", thrift::protocol::T_BOOL, id);
    out_.writeBool(value);
  }
  void number(std::int16_t id, std::int32_t value) {
    out_.writeFieldBegin("", thrift::protocol::T_I32, id);
    out_.writeI32(value);
  }
  void texts(std::int16_t id, const std::vector<std::string>& values) {
    list(id, thrift::protocol::T_STRING, values.size());
    for (const std::string& value : values) {
      out_.writeString(value);
    }
  }
  void numbers(std::int16_t id, const std::vector<std::int32_t>& values) {
    list(id, thrift::protocol::T_I32, values.size());
    for (const std::int32_t value : values) {
      out_.writeI32(value);
    }
  }
  void map(std::int16_t id, const MetastoreParameters& values) {
    out_.writeFieldBegin("", thrift::protocol::T_MAP, id);
    out_.writeMapBegin(thrift::protocol::T_STRING, thrift::protocol::T_STRING,
                       static_cast<std::uint32_t>(values.size()));
    for (const auto& [key, value] : values) {
      out_.writeString(key);
      out_.writeString(value);
    }
  }
  void list(std::int16_t id, TType type, std::size_t size) {
    out_.writeFieldBegin("", thrift::protocol::T_LIST, id);
    out_.writeListBegin(type, static_cast<std::uint32_t>(size));
  }

 private:
  std::shared_ptr<thrift::transport::TMemoryBuffer> memory_;
  thrift::protocol::TBinaryProtocolT<thrift::transport::TMemoryBuffer> out_;
};

// The library takes a byte of the answer for a value of its enumerations, whatever it is.
template <typename Enumeration>
unsigned number_of(const Enumeration& value) {
  static_assert(sizeof(value) == sizeof(unsigned));
  unsigned number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

void check_type(const TType& type) {
  if (number_of(type) > thrift::protocol::T_LIST) {
    throw thrift::protocol::TProtocolException(thrift::protocol::TProtocolException::INVALID_DATA,
                                               "a value of an unknown type");
  }
}

// The fields of a struct, each of which `take` reads if it knows it (true).
template <typename Take>
void read_struct(TProtocol& in, const Take& take) {
  std::string name;
  in.readStructBegin(name);
  for (;;) {
    TType type = thrift::protocol::T_STOP;
    std::int16_t id = 0;
    in.readFieldBegin(name, type, id);
    check_type(type);
    if (type == thrift::protocol::T_STOP) {
      break;
    }
    if (!take(id, type)) {
      in.skip(type);
    }
    in.readFieldEnd();
  }
  in.readStructEnd();
}

bool read_text(TProtocol& in, TType type, std::string& to) {
  if (type != thrift::protocol::T_STRING) {
    return false;
  }
  in.readString(to);
  return true;
}

template <typename Item>
bool read_list(TProtocol& in, TType type, TType item_type, const Item& item) {
  if (type != thrift::protocol::T_LIST) {
    return false;
  }
  TType found = thrift::protocol::T_STOP;
  std::uint32_t size = 0;
  in.readListBegin(found, size);
  check_type(found);
  for (std::uint32_t i = 0; i < size; ++i) {
    if (found == item_type) {
      item();
    } else {
      in.skip(found);
    }
  }
  in.readListEnd();
  return true;
}

template <typename Items>
void check_room(const Items& items) {
  if (items.size() >= kMaxKept) {
    throw thrift::protocol::TProtocolException(thrift::protocol::TProtocolException::SIZE_LIMIT,
                                               "it has too many items");
  }
}

bool read_texts(TProtocol& in, TType type, std::vector<std::string>& to) {
  return read_list(in, type, thrift::protocol::T_STRING, [&] {
    check_room(to);
    in.readString(to.emplace_back());
  });
}

bool read_map(TProtocol& in, TType type, MetastoreParameters& to) {
  if (type != thrift::protocol::T_MAP) {
    return false;
  }
  TType keys = thrift::protocol::T_STOP;
  TType values = thrift::protocol::T_STOP;
  std::uint32_t size = 0;
  in.readMapBegin(keys, values, size);
  check_type(keys);
  check_type(values);
  for (std::uint32_t i = 0; i < size; ++i) {
    if (keys == thrift::protocol::T_STRING && values == thrift::protocol::T_STRING) {
      std::string key;
      in.readString(key);
      check_room(to);
      in.readString(to[key]);
    } else {
      in.skip(keys);
      in.skip(values);
    }
  }
  in.readMapEnd();
  return true;
}

bool read_columns(TProtocol& in, TType type, std::vector<MetastoreColumn>& to) {
  return read_list(in, type, thrift::protocol::T_STRUCT, [&] {
    check_room(to);
    MetastoreColumn& column = to.emplace_back();
    read_struct(in, [&](std::int16_t id, TType t) {
      return (id == 1 && read_text(in, t, column.name)) ||
             (id == 2 && read_text(in, t, column.type)) ||
             (id == 3 && read_text(in, t, column.comment));
    });
  });
}

bool read_storage(TProtocol& in, TType type, MetastoreStorage& to) {
  if (type != thrift::protocol::T_STRUCT) {
    return false;
  }
  read_struct(in, [&](std::int16_t id, TType t) {
    switch (id) {
      case 1:
        return read_columns(in, t, to.columns);
      case 2:
        return read_text(in, t, to.location);
      case 3:
        return read_text(in, t, to.input_format);
      case 4:
        return read_text(in, t, to.output_format);
      case 5:
        if (t == thrift::protocol::T_BOOL) {
          in.readBool(to.is_compressed);
          return true;
        }
        return false;
      case 6:
        if (t == thrift::protocol::T_I32) {
          in.readI32(to.buckets);
          return true;
        }
        return false;
      case 7:
        if (t == thrift::protocol::T_STRUCT) {
          read_struct(in, [&](std::int16_t part, TType p) {
            return (part == 1 && read_text(in, p, to.serde_name)) ||
                   (part == 2 && read_text(in, p, to.serde)) ||
                   (part == 3 && read_map(in, p, to.serde_parameters));
          });
          return true;
        }
        return false;
      case 8:
        return read_texts(in, t, to.bucket_columns);
      case 10:
        return read_map(in, t, to.parameters);
      default:
        return false;
    }
  });
  return true;
}

void read_table(TProtocol& in, MetastoreTable& to) {
  read_struct(in, [&](std::int16_t id, TType t) {
    switch (id) {
      case 1:
        return read_text(in, t, to.name);
      case 2:
        return read_text(in, t, to.database);
      case 7:
        return read_storage(in, t, to.storage);
      case 8:
        return read_columns(in, t, to.partition_columns);
      case 9:
        return read_map(in, t, to.parameters);
      case 12:
        return read_text(in, t, to.type);
      default:
        return false;
    }
  });
}

Error unusable(const std::string& why) {
  return Error{ErrorClass::unavailable, "the answer is not that of a metastore: " + why,
               "does a Hive metastore listen there, without SASL and TLS?"};
}

using Kind = MetastoreRefusal::Kind;

// One answer: `take` reads the result; `kinds` are those of the exceptions, from field 1 on.
template <typename T, typename Take>
Result<MetastoreReply<T>> decode(const char* method, std::int32_t sequence,
                                 const MetastoreBytes& bytes, const std::vector<Kind>& kinds,
                                 const Take& take) {
  const auto source = std::make_shared<Source>(bytes);
  try {
    const auto buffered = std::make_shared<thrift::transport::TBufferedTransport>(source, 16 << 10);
    thrift::protocol::TBinaryProtocol in(buffered, kMaxText, kMaxItems, true, true);
    MetastoreReply<T> reply;
    std::string name;
    thrift::protocol::TMessageType type = thrift::protocol::T_REPLY;
    std::int32_t found = 0;
    in.readMessageBegin(name, type, found);
    const unsigned kind = number_of(type);
    if (kind == thrift::protocol::T_EXCEPTION) {
      thrift::TApplicationException exception;
      exception.read(&in);
      reply.refusal = {Kind::call, exception.what()};
      return reply;
    }
    if (kind != thrift::protocol::T_REPLY || name != method || found != sequence) {
      return unusable("it belongs to another request");
    }
    bool is_refused = false;
    read_struct(in, [&](std::int16_t id, TType t) {
      if (id == 0) {
        return take(in, t, reply.result.emplace());
      }
      if (id < 1 || static_cast<std::size_t>(id) > kinds.size() ||
          t != thrift::protocol::T_STRUCT) {
        return false;
      }
      is_refused = true;
      reply.refusal.kind = kinds[static_cast<std::size_t>(id) - 1];
      read_struct(in, [&](std::int16_t part, TType p) {
        return part == 1 && read_text(in, p, reply.refusal.text);
      });
      return true;
    });
    in.readMessageEnd();
    if (is_refused) {
      reply.result.reset();
    } else if (!reply.result) {
      return unusable("it holds nothing");
    }
    return reply;
  } catch (const thrift::transport::TTransportException& exception) {
    if (exception.getType() == thrift::transport::TTransportException::END_OF_FILE) {
      return Error{ErrorClass::unavailable, source->has_begun()
                                                ? "the connection ended in the middle of an answer"
                                                : "the connection ended without an answer"};
    }
    return unusable(exception.what());
  } catch (const thrift::TException& exception) {
    return unusable(exception.what());
  }
}

void write_columns(Request& request, std::int16_t id, const std::vector<MetastoreColumn>& columns) {
  request.list(id, thrift::protocol::T_STRUCT, columns.size());
  for (const MetastoreColumn& column : columns) {
    request.text(1, column.name);
    request.text(2, column.type);
    request.text(3, column.comment);
    request.stop();
  }
}

void write_storage(Request& request, const MetastoreStorage& storage, const std::string& location) {
  write_columns(request, 1, storage.columns);
  request.text(2, location);
  request.text(3, storage.input_format);
  request.text(4, storage.output_format);
  request.flag(5, storage.is_compressed);
  request.number(6, storage.buckets);
  request.begin(7);
  request.text(1, storage.serde_name);
  request.text(2, storage.serde);
  request.map(3, storage.serde_parameters);
  request.stop();
  request.texts(8, storage.bucket_columns);
  request.list(9, thrift::protocol::T_STRUCT, 0);
  request.map(10, storage.parameters);
  request.stop();
}

}  // namespace

std::string encode_set_ugi(std::int32_t sequence, const std::string& user) {
  Request request("set_ugi", sequence);
  request.text(1, user);
  request.texts(2, {user});
  return request.take();
}

std::string encode_get_table(std::int32_t sequence, const std::string& database,
                             const std::string& table) {
  // Without these a server keeps the insert-only tables to itself, with a text that helps nobody.
  const std::vector<std::int32_t> capabilities = {1, 2};
  Request request("get_table_req", sequence);
  request.begin(1);
  request.text(1, database);
  request.text(2, table);
  request.begin(3);
  request.numbers(1, capabilities);
  request.stop();
  request.stop();
  return request.take();
}

std::string encode_get_partition(std::int32_t sequence, const MetastoreTable& table,
                                 const std::string& name) {
  Request request("get_partition_by_name", sequence);
  request.text(1, table.database);
  request.text(2, table.name);
  request.text(3, name);
  return request.take();
}

std::string encode_add_partition(std::int32_t sequence, const MetastoreTable& table,
                                 const std::vector<std::string>& values,
                                 const std::string& location) {
  Request request("add_partitions_req", sequence);
  request.begin(1);
  request.text(1, table.database);
  request.text(2, table.name);
  request.list(3, thrift::protocol::T_STRUCT, 1);
  request.texts(1, values);
  request.text(2, table.database);
  request.text(3, table.name);
  request.begin(6);
  write_storage(request, table.storage, location);
  request.map(7, {});
  request.stop();
  request.flag(4, true);   // ifNotExists
  request.flag(5, false);  // needResult
  request.stop();
  return request.take();
}

Result<MetastoreReply<bool>> decode_set_ugi(std::int32_t sequence, const MetastoreBytes& bytes) {
  return decode<bool>("set_ugi", sequence, bytes, {Kind::general},
                      [](TProtocol& in, TType type, bool& done) {
                        std::vector<std::string> groups;
                        done = read_texts(in, type, groups);
                        return done;
                      });
}

Result<MetastoreReply<MetastoreTable>> decode_get_table(std::int32_t sequence,
                                                        const MetastoreBytes& bytes) {
  return decode<MetastoreTable>("get_table_req", sequence, bytes,
                                {Kind::general, Kind::no_such_object},
                                [](TProtocol& in, TType type, MetastoreTable& table) {
                                  if (type != thrift::protocol::T_STRUCT) {
                                    return false;
                                  }
                                  read_struct(in, [&](std::int16_t id, TType t) {
                                    if (id != 1 || t != thrift::protocol::T_STRUCT) {
                                      return false;
                                    }
                                    read_table(in, table);
                                    return true;
                                  });
                                  return true;
                                });
}

Result<MetastoreReply<std::string>> decode_get_partition(std::int32_t sequence,
                                                         const MetastoreBytes& bytes) {
  return decode<std::string>(
      "get_partition_by_name", sequence, bytes, {Kind::general, Kind::no_such_object},
      [](TProtocol& in, TType type, std::string& location) {
        if (type != thrift::protocol::T_STRUCT) {
          return false;
        }
        MetastoreStorage storage;
        read_struct(
            in, [&](std::int16_t id, TType t) { return id == 6 && read_storage(in, t, storage); });
        location = std::move(storage.location);
        return true;
      });
}

Result<MetastoreReply<bool>> decode_add_partition(std::int32_t sequence,
                                                  const MetastoreBytes& bytes) {
  return decode<bool>("add_partitions_req", sequence, bytes,
                      {Kind::invalid, Kind::already_exists, Kind::general},
                      [](TProtocol& in, TType type, bool& done) {
                        done = type == thrift::protocol::T_STRUCT;
                        if (done) {
                          in.skip(type);
                        }
                        return done;
                      });
}

}  // namespace fl
