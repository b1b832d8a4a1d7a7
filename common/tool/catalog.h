// The types that a tool knows: its components, and the programs that are beside it or in PATH.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/component/programs.h"
#include "common/tool/tool_main.h"
#include "common/tool/tool_text.h"

namespace fl {

/// The word between interceptors of one process.
constexpr std::string_view kChain = "+";
/// `fl-sink list`.
constexpr std::string_view kList = "list";

/// Owns nothing: a view of the declarations, and of the files as they are at each call.
class Catalog {
 public:
  Catalog(const Tool& tool, const std::vector<ComponentType>& components)
      : tool_(tool), components_(components) {}

  /// The built-in component with this name, alias or class name; nullptr: there is none.
  const ComponentType* find(const std::string& name) const;
  /// Programs that add a type. `beside_only`: those installed with the tool.
  std::vector<Program> programs(bool beside_only) const;
  /// All types, by name; asks the programs for their summaries.
  std::vector<Listed> all_types(bool beside_only) const;
  /// Names of the components whose words after -- are a chain of others.
  std::vector<std::string> groups() const;
  /// completion_arm() of every type that is installed with the tool.
  std::vector<std::string> completion_arms() const;
  /// The part of fl-metrics(7) about a component; empty if it has no figures of its own.
  std::string metrics_page_of(const ComponentType& type) const;

  // Mistakes, with what was meant.

  /// `only_asked`: another tool asks whether the type is here (--describe).
  Error unknown_type(const std::string& type, bool only_asked = false) const;
  Error not_in_chain(const std::string& type) const;
  /// `error` with a hint where an argument shows what was meant: `ts host` for `ts + host`, `netcat
  /// localhost 4444`.
  Error with_meant(const ComponentType& type, const std::vector<std::string>& arguments,
                   Error error) const;

 private:
  std::string sought_type(const std::string& word) const;
  std::string meant_type(const std::string& word) const;
  std::string meant_argument(const ComponentType& type, const std::string& word) const;

  const Tool& tool_;
  const std::vector<ComponentType>& components_;
};

}  // namespace fl
