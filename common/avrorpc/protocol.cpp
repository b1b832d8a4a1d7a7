#include "common/avrorpc/protocol.h"

#include <string>

#include "common/json/json.h"

namespace fl {

using namespace std::string_view_literals;

const std::string_view kRpcProtocol =
    R"({"protocol":"AvroSourceProtocol","namespace":"org.apache.flume.source.avro","types":[)"
    R"({"type":"enum","name":"Status","symbols":["OK","FAILED","UNKNOWN"]},)"
    R"({"type":"record","name":"AvroFlumeEvent","fields":[)"
    R"({"name":"headers","type":{"type":"map","values":"string"}},)"
    R"({"name":"body","type":"bytes"}]}],"messages":{)"
    R"("append":{"request":[{"name":"event","type":"AvroFlumeEvent"}],"response":"Status"},)"
    R"("appendBatch":{"request":[{"name":"events","type":)"
    R"({"type":"array","items":"AvroFlumeEvent"}}],"response":"Status"}}})";
const std::string_view kRpcProtocolHash =
    "\x30\xda\x54\x05\x9d\xf7\x2d\x95\x84\xb8\x67\xd5\x20\x2e\x20\x69"sv;
const std::string_view kFlumeProtocolHash =
    "\x86\xaa\xda\xe2\xc4\x54\x74\xc0\xfe\x93\xff\xd0\xf2\x35\x0a\x65"sv;

namespace {

// "bytes", or {"type":"bytes", ...} with annotations.
bool is_type(const Json& type, std::string_view name) {
  if (type.is_string(name)) {
    return true;
  }
  const Json* const inner = type.find("type");
  return inner != nullptr && inner->is_string(name);
}

bool is_map_of_strings(const Json& type) {
  const Json* const inner = type.find("type");
  if (inner != nullptr && inner->type == Json::Type::object) {
    return is_map_of_strings(*inner);
  }
  const Json* const values = type.find("values");
  return is_type(type, "map") && values != nullptr && is_type(*values, "string");
}

bool is_field(const Json& field, std::string_view name) {
  const Json* const found = field.find("name");
  return found != nullptr && found->is_string(name) && field.find("type") != nullptr;
}

bool is_event(const Json& type) {
  const Json* const fields = type.find("fields");
  return fields != nullptr && fields->items.size() == 2 && is_field(fields->items[0], "headers") &&
         is_map_of_strings(*fields->items[0].find("type")) && is_field(fields->items[1], "body") &&
         is_type(*fields->items[1].find("type"), "bytes");
}

}  // namespace

Status check_rpc_protocol(std::string_view text) {
  const Result<Json> protocol = parse_json(text);
  if (!protocol) {
    return Error{ErrorClass::input, "its protocol is not JSON: " + protocol.error().message, {}};
  }
  const Json* const types = protocol->find("types");
  if (types != nullptr) {
    for (const Json& type : types->items) {
      const Json* const name = type.find("name");
      if (name != nullptr && name->is_string("AvroFlumeEvent")) {
        if (is_event(type)) {
          return {};
        }
        return Error{ErrorClass::input,
                     "its AvroFlumeEvent is not a record of headers (a map of strings) and body "
                     "(bytes)",
                     {}};
      }
    }
  }
  return Error{ErrorClass::input, "its protocol has no AvroFlumeEvent", {}};
}

}  // namespace fl
