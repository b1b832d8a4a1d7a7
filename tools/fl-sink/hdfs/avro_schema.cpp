#include "tools/fl-sink/hdfs/avro_schema.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "common/event/varint.h"

namespace fl {
namespace {

Error bad(const std::string& why) { return Error{ErrorClass::input, "no Avro schema: " + why, {}}; }

bool is_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

// The document is known to be JSON: quotes and backslashes mean what they mean there.
std::string without_blanks(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\' && i + 1 < json.size()) {
      out += c;
      out += json[++i];
      continue;
    }
    if (c == '"') {
      in_string = !in_string;
    }
    if (in_string || (c != ' ' && c != '\t' && c != '\n' && c != '\r')) {
      out += c;
    }
  }
  return out;
}

}  // namespace

class AvroSchema::Parser {
 public:
  explicit Parser(std::vector<Node>& nodes) : nodes_(nodes) {}

  Result<std::uint32_t> parse(const Json& json, const std::string& space, int depth) {
    if (depth > kMaxDepth) {
      return bad("nested too deeply");
    }
    switch (json.type) {
      case Json::Type::string:
        return named(json.string, space);
      case Json::Type::array:
        return union_of(json, space, depth);
      case Json::Type::object:
        return object(json, space, depth);
      default:
        return bad("a type is a name, an object or an array");
    }
  }

 private:
  std::uint32_t add(Type type) {
    nodes_.emplace_back().type = type;
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }

  static std::optional<Type> primitive(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, Type>, 8> kTypes{{
        {"null", Type::null},
        {"boolean", Type::boolean},
        {"int", Type::int_},
        {"long", Type::long_},
        {"float", Type::float_},
        {"double", Type::double_},
        {"bytes", Type::bytes},
        {"string", Type::string},
    }};
    for (const auto& [known, type] : kTypes) {
      if (known == name) {
        return type;
      }
    }
    return std::nullopt;
  }

  Result<std::uint32_t> named(const std::string& name, const std::string& space) {
    if (const auto type = primitive(name)) {
      return add(*type);
    }
    const bool is_full = name.find('.') != std::string::npos || space.empty();
    const auto found = names_.find(is_full ? name : space + "." + name);
    if (found == names_.end()) {
      return bad("unknown type '" + name.substr(0, 100) + "'");
    }
    return found->second;
  }

  Result<std::uint32_t> union_of(const Json& json, const std::string& space, int depth) {
    if (json.items.empty()) {
      return bad("a union without branches");
    }
    std::vector<std::uint32_t> branches;
    for (const Json& item : json.items) {
      if (item.type == Json::Type::array) {
        return bad("a union in a union");
      }
      Result<std::uint32_t> branch = parse(item, space, depth + 1);
      if (!branch) {
        return branch;
      }
      branches.push_back(*branch);
    }
    const std::uint32_t node = add(Type::union_);
    nodes_[node].inside = std::move(branches);
    return node;
  }

  Result<std::uint32_t> object(const Json& json, const std::string& space, int depth) {
    const Json* const type = json.find("type");
    if (type == nullptr) {
      return bad("an object without \"type\"");
    }
    if (type->type != Json::Type::string) {
      return parse(*type, space, depth + 1);
    }
    if (type->string == "array" || type->string == "map") {
      const bool is_array = type->string == "array";
      const Json* const inside = json.find(is_array ? "items" : "values");
      if (inside == nullptr) {
        return bad(is_array ? "an array without \"items\"" : "a map without \"values\"");
      }
      Result<std::uint32_t> item = parse(*inside, space, depth + 1);
      if (!item) {
        return item;
      }
      const std::uint32_t node = add(is_array ? Type::array : Type::map);
      nodes_[node].inside = {*item};
      return node;
    }
    if (type->string == "record" || type->string == "error") {
      return record(json, space, depth);
    }
    if (type->string == "enum" || type->string == "fixed") {
      return enum_or_fixed(json, space, type->string == "enum");
    }
    return named(type->string, space);
  }

  // Adds the node of a named type; `inner` becomes the namespace inside it.
  Result<std::uint32_t> define(const Json& json, const std::string& space, Type type,
                               std::string& inner) {
    const Json* const name = json.find("name");
    if (name == nullptr || name->type != Json::Type::string) {
      return bad("a record, enum or fixed without a name");
    }
    std::string full = name->string;
    if (full.find('.') == std::string::npos) {
      const Json* const own = json.find("namespace");
      const std::string& in =
          own != nullptr && own->type == Json::Type::string ? own->string : space;
      full = in.empty() ? full : in + "." + full;
    }
    for (std::size_t start = 0; start <= full.size();) {
      const std::size_t dot = std::min(full.find('.', start), full.size());
      if (!is_name(std::string_view(full).substr(start, dot - start))) {
        return bad("'" + full.substr(0, 100) + "' is not a valid name");
      }
      start = dot + 1;
    }
    const std::uint32_t node = add(type);
    if (!names_.emplace(full, node).second) {
      return bad("two types are called '" + full.substr(0, 100) + "'");
    }
    const std::size_t dot = full.rfind('.');
    inner = dot == std::string::npos ? std::string() : full.substr(0, dot);
    return node;
  }

  Result<std::uint32_t> record(const Json& json, const std::string& space, int depth) {
    std::string inner;
    Result<std::uint32_t> node = define(json, space, Type::record, inner);
    if (!node) {
      return node;
    }
    const Json* const fields = json.find("fields");
    if (fields == nullptr || fields->type != Json::Type::array) {
      return bad("a record without \"fields\"");
    }
    std::vector<std::uint32_t> types;
    std::set<std::string> seen;
    for (const Json& field : fields->items) {
      const Json* const name = field.find("name");
      const Json* const type = field.find("type");
      if (name == nullptr || name->type != Json::Type::string || type == nullptr) {
        return bad("a field without name or type");
      }
      if (!is_name(name->string) || !seen.insert(name->string).second) {
        return bad("the field name '" + name->string.substr(0, 100) +
                   "' is not a valid name or "
                   "not unique");
      }
      Result<std::uint32_t> parsed = parse(*type, inner, depth + 1);
      if (!parsed) {
        return parsed;
      }
      types.push_back(*parsed);
    }
    nodes_[*node].inside = std::move(types);
    return node;
  }

  Result<std::uint32_t> enum_or_fixed(const Json& json, const std::string& space, bool is_enum) {
    std::string inner;
    Result<std::uint32_t> node = define(json, space, is_enum ? Type::enum_ : Type::fixed, inner);
    if (!node) {
      return node;
    }
    if (is_enum) {
      const Json* const symbols = json.find("symbols");
      if (symbols == nullptr || symbols->type != Json::Type::array || symbols->items.empty()) {
        return bad("an enum without \"symbols\"");
      }
      std::set<std::string> seen;
      for (const Json& symbol : symbols->items) {
        if (!is_name(symbol.string) || !seen.insert(symbol.string).second) {
          return bad("a symbol of an enum is not a valid name or not unique");
        }
      }
      nodes_[*node].size = symbols->items.size();
    } else {
      const Json* const size = json.find("size");
      if (size == nullptr || size->type != Json::Type::number || size->integer < 0 ||
          size->integer > INT32_MAX) {
        return bad("a fixed without \"size\"");
      }
      nodes_[*node].size = static_cast<std::uint64_t>(size->integer);
    }
    return node;
  }

  std::vector<Node>& nodes_;
  std::map<std::string, std::uint32_t> names_;
};

Result<AvroSchema> AvroSchema::parse(std::string_view json) {
  if (json.size() > kMaxBytes) {
    return bad("longer than " + std::to_string(kMaxBytes >> 10) + " KiB");
  }
  const Result<Json> document = parse_json(json);
  if (!document) {
    return bad(document.error().message);
  }
  AvroSchema schema;
  const Result<std::uint32_t> root = Parser(schema.nodes_).parse(*document, {}, 0);
  if (!root) {
    return root.error();
  }
  schema.root_ = *root;
  schema.text_ = without_blanks(json);
  return schema;
}

// Walks over one datum. What it reads is untrusted: each length is checked against what is left.
class AvroSchema::Reader {
 public:
  Reader(const AvroSchema& schema, std::string_view bytes)
      : schema_(schema),
        next_(reinterpret_cast<const std::uint8_t*>(bytes.data())),
        end_(next_ + bytes.size()) {}

  bool at_end() const { return next_ == end_; }

  bool skip(std::uint32_t node, int depth) {
    const Node& type = schema_.nodes_[node];
    if (depth > kMaxDepth) {
      return false;
    }
    std::int64_t value = 0;
    switch (type.type) {
      case Type::null:
        return true;
      case Type::boolean:
        return next_ != end_ && *next_++ <= 1;
      case Type::int_:
        return read(value) && value >= INT32_MIN && value <= INT32_MAX;
      case Type::long_:
        return read(value);
      case Type::float_:
        return pass(4);
      case Type::double_:
        return pass(8);
      case Type::bytes:
      case Type::string:
        return skip_counted();
      case Type::fixed:
        return pass(type.size);
      case Type::enum_:
        return read(value) && value >= 0 && static_cast<std::uint64_t>(value) < type.size;
      case Type::union_:
        return read(value) && value >= 0 &&
               static_cast<std::uint64_t>(value) < type.inside.size() &&
               skip(type.inside[static_cast<std::size_t>(value)], depth + 1);
      case Type::record:
        return std::all_of(type.inside.begin(), type.inside.end(),
                           [&](std::uint32_t field) { return skip(field, depth + 1); });
      case Type::array:
      case Type::map:
        return skip_blocks(type, depth);
    }
    return false;
  }

 private:
  bool read(std::int64_t& value) {
    const std::uint8_t* const after = read_varint(next_, end_, value);
    if (after == nullptr) {
      return false;
    }
    next_ = after;
    return true;
  }

  bool pass(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - next_)) {
      return false;
    }
    next_ += size;
    return true;
  }

  bool skip_counted() {
    std::int64_t size = 0;
    return read(size) && size >= 0 && pass(static_cast<std::uint64_t>(size));
  }

  bool skip_blocks(const Node& type, int depth) {
    while (true) {
      std::int64_t count = 0;
      std::int64_t size = -1;
      if (!read(count)) {
        return false;
      }
      if (count == 0) {
        return true;
      }
      if (count < 0 && (count == INT64_MIN || !read(size) || size < 0)) {
        return false;
      }
      const std::uint8_t* const start = next_;
      if (!skip_items(type, count < 0 ? -count : count, depth) ||
          (size >= 0 && next_ - start != size)) {
        return false;
      }
    }
  }

  bool skip_items(const Node& type, std::int64_t count, int depth) {
    // Items without bytes (nulls) cost a reader memory without need.
    constexpr std::int64_t kMaxEmpty = 65'536;
    for (; count > 0; --count) {
      const std::uint8_t* const start = next_;
      if ((type.type == Type::map && !skip_counted()) || !skip(type.inside[0], depth + 1)) {
        return false;
      }
      if (next_ == start) {
        return count <= kMaxEmpty;  // the others are empty too
      }
    }
    return true;
  }

  const AvroSchema& schema_;
  const std::uint8_t* next_;
  const std::uint8_t* const end_;
};

bool AvroSchema::is_datum(std::string_view bytes) const {
  Reader reader(*this, bytes);
  return reader.skip(root_, 0) && reader.at_end();
}

}  // namespace fl
