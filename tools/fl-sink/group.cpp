#include "tools/fl-sink/group.h"

namespace fl {

std::vector<std::vector<std::string>> split_members(const std::vector<std::string>& words) {
  std::vector<std::vector<std::string>> members(1);
  for (const std::string& word : words) {
    if (word == "+") {
      members.emplace_back();
    } else {
      members.back().push_back(word);
    }
  }
  return members;
}

}  // namespace fl
