#include "common/json/json.h"

#include <simdjson.h>

namespace fl {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 32;

Json convert(simdjson::dom::element element) {
  Json out;
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      out.type = Json::Type::array;
      const simdjson::dom::array items(element);
      for (const auto item : items) {
        out.items.push_back(convert(item));
      }
      break;
    }
    case simdjson::dom::element_type::OBJECT: {
      out.type = Json::Type::object;
      const simdjson::dom::object members(element);
      for (const auto member : members) {
        out.members.push_back({std::string(member.key), convert(member.value)});
      }
      break;
    }
    case simdjson::dom::element_type::STRING:
      out.type = Json::Type::string;
      out.string = std::string(element.get_string().value_unsafe());
      break;
    case simdjson::dom::element_type::BOOL:
      out.type = Json::Type::boolean;
      out.boolean = element.get_bool().value_unsafe();
      break;
    case simdjson::dom::element_type::INT64:
      out.type = Json::Type::number;
      out.integer = element.get_int64().value_unsafe();
      out.number = static_cast<double>(out.integer);
      break;
    case simdjson::dom::element_type::UINT64:
    case simdjson::dom::element_type::DOUBLE:
      out.type = Json::Type::number;
      out.number = element.get_double().value_unsafe();
      break;
    case simdjson::dom::element_type::NULL_VALUE:
      break;
  }
  return out;
}

}  // namespace

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members) {
    if (name == key) {
      return &value;
    }
  }
  return nullptr;
}

Result<Json> parse_json(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return Error{ErrorClass::input, "JSON text of more than 1 MiB"};
  }
  simdjson::dom::parser parser(kMaxBytes);
  simdjson::dom::element element;
  if (auto error = parser.allocate(kMaxBytes, kMaxDepth); error != simdjson::SUCCESS) {
    return Error{ErrorClass::bug, "no memory to parse JSON"};
  }
  if (auto error = parser.parse(text.data(), text.size()).get(element);
      error != simdjson::SUCCESS) {
    return Error{ErrorClass::input, std::string("not JSON: ") + simdjson::error_message(error)};
  }
  return convert(element);
}

}  // namespace fl
