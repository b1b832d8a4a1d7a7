// Which options were set: for rules about several of them.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// Names of options as on the command line, without dashes. A component that runs by a Flume file
/// has those that the file sets, and those whose default is another one in Flume.
class GivenOptions {
 public:
  void add(std::string name) { names_.push_back(std::move(name)); }
  bool has(std::string_view name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  /// The first of these that was set; empty: none.
  std::string_view first_of(std::initializer_list<std::string_view> names) const {
    const auto* const found =
        std::find_if(names.begin(), names.end(), [this](auto name) { return has(name); });
    return found == names.end() ? std::string_view() : *found;
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace fl
