// Options of a component for a test, set as the command line or a Flume file would set them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/component/component_type.h"

namespace fl::test {

using Settings = std::vector<std::pair<std::string, std::string>>;

/// Options of `type` with the defaults of the command line except for `settings` (key, value).
inline std::shared_ptr<void> options_of(const ComponentType& type, const Settings& settings) {
  std::shared_ptr<void> options = type.options.make();
  for (const auto& [key, value] : settings) {
    bool found = false;
    for (const OptionSpec& spec : type.options.options) {
      if (spec.key == key) {
        const Status set = spec.set(options.get(), value);
        EXPECT_TRUE(set.ok()) << key << "=" << value;
        found = true;
      }
    }
    EXPECT_TRUE(found) << "no option " << key;
  }
  return options;
}

/// The events of a block, in a batch.
inline void fill(Batch& batch, const Block& block) {
  const std::uint8_t* p = block.data;
  const std::uint8_t* const end = p + block.size;
  while (p != end) {
    Event event;
    const char* why = nullptr;
    p = scan_event(p, end, EventLimits(), event, why);
    ASSERT_NE(p, nullptr) << why;
    batch.add(event);
  }
}

}  // namespace fl::test
