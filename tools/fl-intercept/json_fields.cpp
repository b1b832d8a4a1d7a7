#include "tools/fl-intercept/json_fields.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/json/simdjson_library.h"

namespace fl {
namespace {

using simdjson::ondemand::json_type;

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::size_t kDepth = 256;

std::string_view without_blanks_behind(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kBlank);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

void skip_digits(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
}

// The grammar of RFC 8259.
bool is_number(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
  }
  const auto digits = [&text] {
    const std::size_t before = text.size();
    skip_digits(text);
    return before - text.size();
  };
  const bool has_zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (whole == 0 || (has_zero && whole > 1)) {
    return false;
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) {
      return false;
    }
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) {
      text.remove_prefix(1);
    }
    if (digits() == 0) {
      return false;
    }
  }
  return text.empty();
}

Error bad_path(std::string_view path, const std::string& why) {
  return {ErrorClass::config, "'" + std::string(path) + "' is not the path of a field: " + why,
          "for example .user.id, .tags[0] or .\"odd name\""};
}

/// Takes the next name or index off a path.
struct Step {
  std::string name;
  std::optional<std::size_t> index;
};

Result<Step> take_step(std::string_view& rest, std::string_view path) {
  Step step;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    std::size_t index = 0;
    const std::string_view digits = rest.substr(1, end == std::string_view::npos ? 0 : end - 1);
    const auto got = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (digits.empty() || got.ec != std::errc() || got.ptr != digits.data() + digits.size()) {
      return bad_path(path, "[N] is expected");
    }
    step.index = index;
    rest.remove_prefix(end + 1);
    return step;
  }
  if (!rest.starts_with('.')) {
    return bad_path(path, "a dot is expected before '" + std::string(rest) + "'");
  }
  rest.remove_prefix(1);
  if (rest.starts_with('[')) {
    return take_step(rest, path);  // .[0]
  }
  std::size_t size = std::min(rest.find_first_of(".["), rest.size());
  if (rest.starts_with('"')) {
    size = rest.find('"', 1);
    if (size == std::string_view::npos) {
      return bad_path(path, "a quote is not closed");
    }
    step.name = rest.substr(1, size - 1);
    rest.remove_prefix(size + 1);
    return step;
  }
  if (size == 0) {
    return bad_path(path, "a name is empty");
  }
  step.name = rest.substr(0, size);
  rest.remove_prefix(size);
  return step;
}

}  // namespace

/// A place that is on the way to a field, or is one.
struct JsonFields::Node {
  struct Child {
    Step step;
    std::unique_ptr<Node> node;
  };

  std::vector<std::size_t> fields;  // that end here
  std::vector<Child> children;

  const Node* named(std::string_view name) const {
    for (const Child& child : children) {
      if (!child.step.index && child.step.name == name) {
        return child.node.get();
      }
    }
    return nullptr;
  }
  const Node* at(std::size_t index) const {
    for (const Child& child : children) {
      if (child.step.index == index) {
        return child.node.get();
      }
    }
    return nullptr;
  }
  Node& enter(Step step) {
    for (Child& child : children) {
      if (child.step.index == step.index && child.step.name == step.name) {
        return *child.node;
      }
    }
    children.push_back({std::move(step), std::make_unique<Node>()});
    return *children.back().node;
  }
};

/// Walks over all of a text.
struct JsonFields::Reader {
  simdjson::ondemand::parser parser;
  std::string padded;

  /// The error of an object or array, of a string, or of what looks like a word or a number.
  simdjson::error_code walk(simdjson::ondemand::value value, const Node* node, std::size_t depth,
                            std::vector<std::optional<std::string>>& values) {
    if (depth > kDepth) {
      return simdjson::DEPTH_ERROR;
    }
    json_type type{};
    if (const auto error = value.type().get(type); error != simdjson::SUCCESS) {
      return error;
    }
    const bool is_wanted = node != nullptr && !node->fields.empty();
    std::optional<std::string> found;
    simdjson::error_code error = simdjson::SUCCESS;
    switch (type) {
      case json_type::object:
        error = walk_object(value, node, depth, is_wanted, found, values);
        break;
      case json_type::array:
        error = walk_array(value, node, depth, is_wanted, found, values);
        break;
      case json_type::string: {
        std::string_view text;
        error = value.get_string().get(text);
        if (is_wanted) {
          found = text;
        }
        break;
      }
      default: {
        const std::string_view token = without_blanks_behind(value.raw_json_token());
        if (token != "null" && token != "true" && token != "false" && !is_number(token)) {
          return simdjson::NUMBER_ERROR;
        }
        if (is_wanted && token != "null") {
          found = token;
        }
      }
    }
    if (error == simdjson::SUCCESS && is_wanted) {
      for (const std::size_t field : node->fields) {
        values[field] = found;
      }
    }
    return error;
  }

  simdjson::error_code walk_object(simdjson::ondemand::value& value, const Node* node,
                                   std::size_t depth, bool is_wanted,
                                   std::optional<std::string>& found,
                                   std::vector<std::optional<std::string>>& values) {
    simdjson::ondemand::object object;
    if (const auto error = value.get_object().get(object); error != simdjson::SUCCESS) {
      return error;
    }
    if (is_wanted) {
      if (const auto error = take_text(object, found); error != simdjson::SUCCESS) {
        return error;
      }
    }
    for (auto item : object) {
      simdjson::ondemand::field field;
      std::string_view name;
      if (const auto error = std::move(item).get(field); error != simdjson::SUCCESS) {
        return error;
      }
      if (const auto error = field.unescaped_key().get(name); error != simdjson::SUCCESS) {
        return error;
      }
      const Node* const child = node != nullptr ? node->named(name) : nullptr;
      if (const auto error = walk(field.value(), child, depth + 1, values);
          error != simdjson::SUCCESS) {
        return error;
      }
    }
    return simdjson::SUCCESS;
  }

  simdjson::error_code walk_array(simdjson::ondemand::value& value, const Node* node,
                                  std::size_t depth, bool is_wanted,
                                  std::optional<std::string>& found,
                                  std::vector<std::optional<std::string>>& values) {
    simdjson::ondemand::array array;
    if (const auto error = value.get_array().get(array); error != simdjson::SUCCESS) {
      return error;
    }
    if (is_wanted) {
      if (const auto error = take_text(array, found); error != simdjson::SUCCESS) {
        return error;
      }
    }
    std::size_t index = 0;
    for (auto item : array) {
      simdjson::ondemand::value element;
      if (const auto error = std::move(item).get(element); error != simdjson::SUCCESS) {
        return error;
      }
      const Node* const child = node != nullptr ? node->at(index) : nullptr;
      if (const auto error = walk(element, child, depth + 1, values); error != simdjson::SUCCESS) {
        return error;
      }
      ++index;
    }
    return simdjson::SUCCESS;
  }

  // The text of an object or array, which can then be walked over.
  template <typename Container>
  simdjson::error_code take_text(Container& container, std::optional<std::string>& found) {
    std::string_view text;
    if (const auto error = container.raw_json().get(text); error != simdjson::SUCCESS) {
      return error;
    }
    found = without_blanks_behind(text);
    bool has_more = false;
    return container.reset().get(has_more);
  }
};

JsonFields::JsonFields() : root_(std::make_unique<Node>()), reader_(std::make_unique<Reader>()) {}
JsonFields::~JsonFields() = default;
JsonFields::JsonFields(JsonFields&&) noexcept = default;
JsonFields& JsonFields::operator=(JsonFields&&) noexcept = default;

Status JsonFields::add(std::string_view path) {
  Node* node = root_.get();
  std::string_view rest = path;
  if (rest.empty() || rest == ".") {
    return bad_path(path, "it names no field");
  }
  while (!rest.empty()) {
    Result<Step> step = take_step(rest, path);
    if (!step) {
      return step.error();
    }
    node = &node->enter(std::move(*step));
  }
  node->fields.push_back(values_.size());
  values_.emplace_back();
  return {};
}

Status JsonFields::find(std::string_view text) {
  if (Status loaded = load_simdjson(); !loaded) {
    return loaded;
  }
  for (auto& value : values_) {
    value.reset();
  }
  const auto refused = [](std::string_view why) {
    return Error{ErrorClass::input, "not JSON: " + std::string(why)};
  };
  std::string& padded = reader_->padded;
  padded.assign(text);
  padded.append(simdjson::SIMDJSON_PADDING, ' ');
  simdjson::ondemand::parser& parser = reader_->parser;
  simdjson::ondemand::document document;
  if (const auto error = parser.iterate(padded.data(), text.size(), padded.size()).get(document);
      error != simdjson::SUCCESS) {
    return refused(simdjson_message(error));
  }
  json_type type{};
  if (const auto error = document.type().get(type); error != simdjson::SUCCESS) {
    return refused(simdjson_message(error));
  }
  if (type != json_type::object && type != json_type::array) {
    return Error{ErrorClass::input, "not a JSON object"};
  }
  simdjson::ondemand::value value;
  simdjson::error_code error = document.get_value().get(value);
  if (error == simdjson::SUCCESS) {
    error = reader_->walk(value, root_.get(), 0, values_);
  }
  if (error != simdjson::SUCCESS) {
    return refused(simdjson_message(error));
  }
  if (const char* behind = nullptr; document.current_location().get(behind) == simdjson::SUCCESS) {
    return refused("there is text after its end");
  }
  return {};
}

}  // namespace fl
