#include "common/json/json.h"

#include <algorithm>

#include "common/json/simdjson_library.h"

namespace fl {
namespace {

constexpr int kMaxDepth = 32;

/// The array that is not kept.
struct List {
  std::string_view name;
  const std::function<bool(Json item)>* take = nullptr;
  bool refused = false;
};

Json convert(simdjson::dom::element element, List& list);

void hand_over(simdjson::dom::array items, List& list) {
  List none;
  for (const auto item : items) {
    if (list.refused || !(*list.take)(convert(item, none))) {
      list.refused = true;
      return;
    }
  }
}

Json convert(simdjson::dom::element element, List& list) {
  Json out;
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      out.type = Json::Type::array;
      const simdjson::dom::array items = element.get_array().value_unsafe();
      for (const auto item : items) {
        out.items.push_back(convert(item, list));
      }
      break;
    }
    case simdjson::dom::element_type::OBJECT: {
      out.type = Json::Type::object;
      const simdjson::dom::object members = element.get_object().value_unsafe();
      for (const auto member : members) {
        simdjson::dom::array items;
        if (list.take != nullptr && member.key == list.name &&
            member.value.get(items) == simdjson::SUCCESS) {
          hand_over(items, list);
          Json empty;
          empty.type = Json::Type::array;
          out.members.push_back({std::string(member.key), std::move(empty)});
          continue;
        }
        out.members.push_back({std::string(member.key), convert(member.value, list)});
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

Result<Json> parse(std::string_view text, std::size_t max_bytes, List& list) {
  if (text.size() > max_bytes) {
    return Error{ErrorClass::input,
                 "JSON text of more than " + std::to_string(max_bytes >> 10) + " KiB"};
  }
  if (Status loaded = load_simdjson(); !loaded) {
    return loaded.error();
  }
  simdjson::dom::parser parser(max_bytes);
  simdjson::dom::element element;
  if (auto error = parser.allocate(std::max<std::size_t>(text.size(), 1), kMaxDepth);
      error != simdjson::SUCCESS) {
    return Error{ErrorClass::bug, "no memory to parse JSON"};
  }
  if (auto error = parser.parse(text.data(), text.size()).get(element);
      error != simdjson::SUCCESS) {
    return Error{ErrorClass::input, std::string("not JSON: ") + simdjson_message(error)};
  }
  Json out = convert(element, list);
  if (list.refused) {
    return Error{ErrorClass::input, "an item of '" + std::string(list.name) + "' is not accepted"};
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

Json* Json::find(std::string_view key) {
  return const_cast<Json*>(static_cast<const Json*>(this)->find(key));
}

Result<Json> parse_json(std::string_view text, std::size_t max_bytes) {
  List none;
  return parse(text, max_bytes, none);
}

Result<Json> parse_json(std::string_view text, std::size_t max_bytes, std::string_view list,
                        const std::function<bool(Json item)>& take) {
  List taken{list, &take};
  return parse(text, max_bytes, taken);
}

}  // namespace fl
