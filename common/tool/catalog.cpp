#include "common/tool/catalog.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/option/command_line.h"
#include "common/option/suggest.h"

namespace fl {
namespace {

// The summary of a "name<TAB>summary" answer; nothing if it is not one.
std::optional<Listed> listed(const std::string& answer) {
  const std::string line = answer.substr(0, answer.find('\n'));
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos || tab == 0) {
    return std::nullopt;
  }
  return Listed{printable(line.substr(0, tab)), printable(line.substr(tab + 1))};
}

bool has_option(const ComponentType& type, std::string_view name) {
  return std::any_of(type.options.options.begin(), type.options.options.end(),
                     [name](const OptionSpec& spec) { return spec.name == name; });
}

}  // namespace

const ComponentType* Catalog::find(const std::string& name) const {
  for (const ComponentType& type : components_) {
    const auto is_name = [&](const std::string& other) { return other == name; };
    if (type.name == name || std::any_of(type.aliases.begin(), type.aliases.end(), is_name) ||
        std::any_of(type.class_names.begin(), type.class_names.end(), is_name)) {
      return &type;
    }
  }
  return nullptr;
}

std::vector<Program> Catalog::programs(bool beside_only) const {
  std::vector<Program> found = find_programs(tool_.name, beside_only);
  std::erase_if(found, [&](const Program& program) { return find(program.name) != nullptr; });
  return found;
}

std::vector<Listed> Catalog::all_types(bool beside_only) const {
  std::vector<Listed> list;
  for (const ComponentType& type : components_) {
    list.push_back({type.name, type.summary, type.aliases});
  }
  const std::vector<Program> found = programs(beside_only);
  const std::vector<std::string> answers = ask_programs(found, {"--describe"});
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::optional<Listed> entry = listed(answers[i])) {
      // The file's name is what one types, whatever the program calls itself.
      list.push_back({found[i].name, std::move(entry->summary)});
    }
  }
  for (const AbsentType& absent : *tool_.absent) {
    const bool is_here = std::any_of(
        list.begin(), list.end(), [&](const Listed& entry) { return entry.name == absent.name; });
    if (!is_here) {
      list.push_back({absent.name, fmt::format("not here: built without {}", absent.library)});
    }
  }
  std::sort(list.begin(), list.end(),
            [](const Listed& a, const Listed& b) { return a.name < b.name; });
  return list;
}

std::string Catalog::metrics_page_of(const ComponentType& type) const {
  FigureList own;
  own.owner(type.name);
  const std::shared_ptr<void> options = type.options.make();
  if (type.source) {
    type.source(options)->figures(own);
  } else if (type.interceptor) {
    type.interceptor(options)->figures(own);
  } else if (type.channel) {
    const Channel channel = type.channel(options);
    if (channel.put) {
      channel.put->figures(own);
    }
    if (channel.take) {
      channel.take->figures(own);
    }
  } else if (type.sink) {
    type.sink(options)->figures(own);
  }
  return metrics_list(component_metrics(tool_.name, own));
}

std::vector<std::string> Catalog::groups() const {
  std::vector<std::string> names;
  for (const ComponentType& type : components_) {
    const bool is_group = std::any_of(
        type.options.options.begin(), type.options.options.end(), [](const OptionSpec& spec) {
          return spec.is_positional && spec.metavar.find('+') != std::string::npos;
        });
    if (is_group) {
      names.push_back(type.name);
      names.insert(names.end(), type.aliases.begin(), type.aliases.end());
    }
  }
  return names;
}

std::vector<std::string> Catalog::completion_arms() const {
  std::vector<std::string> arms;
  for (const ComponentType& type : components_) {
    arms.push_back(completion_arm(type));
  }
  for (std::string& arm : ask_programs(programs(true), {"--generate", "completion-arm"})) {
    arms.push_back(std::move(arm));
  }
  return arms;
}

Error Catalog::unknown_type(const std::string& type, bool only_asked) const {
  if (only_asked) {
    return Error{ErrorClass::usage, fmt::format("unknown type '{}'", type)};
  }
  for (const AbsentType& absent : *tool_.absent) {
    if (absent.name == type) {
      return Error{ErrorClass::config,
                   fmt::format("'{}' is not here: {} was built without {}", type, tool_.name,
                               absent.library),
                   fmt::format("install {0} (Debian: {0}-dev) and build again", absent.library)};
    }
  }
  std::vector<std::string> known = {std::string(kList)};
  for (const ComponentType& component : components_) {
    known.push_back(component.name);
    known.insert(known.end(), component.aliases.begin(), component.aliases.end());
  }
  for (const Program& program : programs(false)) {
    known.push_back(program.name);
  }
  for (const CommandType& command : *tool_.commands) {
    known.push_back(command.name);
  }
  if (tool_.kind == ComponentKind::interceptor && type.find('+') != std::string::npos) {
    return Error{ErrorClass::usage, fmt::format("unknown type '{}'", type),
                 fmt::format("put blanks around each '+': {} ts + host", tool_.name)};
  }
  const std::string sought = sought_type(type);
  const std::string near = sought.empty() ? did_you_mean(type, known) : std::string();
  const std::string meant = sought.empty() && near.empty() ? meant_type(type) : sought;
  return Error{ErrorClass::usage, fmt::format("unknown type '{}'{}", type, near),
               meant.empty() ? fmt::format("'{} list' shows the types", tool_.name) : meant};
}

// A word under which users look for a type.
std::string Catalog::sought_type(const std::string& word) const {
  const auto answer = [this](const std::string& name) {
    return fmt::format("{} {} does that; '{} list' shows the types", tool_.name, name, tool_.name);
  };
  for (const ComponentType& type : components_) {
    if (std::find(type.sought_as.begin(), type.sought_as.end(), word) != type.sought_as.end()) {
      return answer(type.name);
    }
  }
  const std::vector<Program> separate = programs(true);
  const std::vector<std::string> words = ask_programs(separate, {"--generate", "sought-as"});
  for (std::size_t i = 0; i < separate.size(); ++i) {
    if (("\n" + words[i]).find("\n" + word + "\n") != std::string::npos) {
      return answer(separate[i].name);
    }
  }
  return {};
}

// A file, a URL, or a type of another tool.
std::string Catalog::meant_type(const std::string& word) const {
  if (tool_.kind == ComponentKind::sink && word.find("://") != std::string::npos) {
    return fmt::format("a TYPE comes first: {} hdfs {}", tool_.name, printable(word));
  }
  if (::access(word.c_str(), F_OK) == 0) {
    return fmt::format(
        "a TYPE comes first; it is followed by the files and options of the type: "
        "'{} list' shows the types",
        tool_.name);
  }
  std::vector<Program> others;
  for (const char* tool : {"fl-source", "fl-intercept", "fl-channel", "fl-sink"}) {
    if (const std::string path = find_beside(tool); tool != tool_.name && !path.empty()) {
      others.push_back({tool, path});
    }
  }
  const std::vector<std::string> answers = ask_programs(others, {word, "--describe"});
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (listed(answers[i])) {
      return fmt::format("'{}' is a type of {}: {} {} ...", word, others[i].name, others[i].name,
                         word);
    }
  }
  return {};
}

Error Catalog::not_in_chain(const std::string& type) const {
  if (find_program(tool_.name, type).empty()) {
    return unknown_type(type);
  }
  return Error{ErrorClass::usage,
               fmt::format("'{}' is a separate program and cannot be part of a chain", type),
               fmt::format("connect it with a pipe: ... | {} {} | ...", tool_.name, type)};
}

Error Catalog::with_meant(const ComponentType& type, const std::vector<std::string>& arguments,
                          Error error) const {
  for (const std::string& word : arguments) {
    if (error.message == unexpected_argument(word)) {
      const std::string meant = meant_argument(type, word);
      error.hint = meant.empty() ? error.hint : meant;
    }
    const std::string name = word.substr(0, word.find('='));
    if (error.message != fmt::format("unknown option '{}'", name) || !name.starts_with("--")) {
      continue;
    }
    for (const ComponentType& other : components_) {
      if (has_option(other, name.substr(2))) {
        error.hint = fmt::format("it is an option of {} {}; '{} {} --help' shows those of {}",
                                 tool_.name, other.name, tool_.name, type.name, type.name);
      }
    }
  }
  return error;
}

std::string Catalog::meant_argument(const ComponentType& type, const std::string& word) const {
  if (tool_.kind == ComponentKind::interceptor) {
    const std::string bare = word.substr(word.starts_with("+") ? 1 : 0);
    if (find(bare) != nullptr) {
      return fmt::format("put a '+' between interceptors{}: {} {} + {}",
                         bare == word ? "" : ", with blanks around it", tool_.name, type.name,
                         bare);
    }
  }
  if (has_option(type, "bind") && has_option(type, "port")) {
    return "an address is given as --bind HOST --port PORT";
  }
  const std::string name = word.substr(0, word.find('='));
  if (has_option(type, name)) {
    return fmt::format("an option begins with two dashes: --{}", word);
  }
  if (::access(word.c_str(), F_OK) == 0) {
    return tool_.kind == ComponentKind::source
               ? fmt::format("fl-source stdin FILE... reads files; {} takes one argument",
                             type.name)
               : fmt::format("'{}' is read with --in {} or < {}", word, word, word);
  }
  return {};
}

}  // namespace fl
