// Options that components with several outputs share.
#pragma once

#include <array>
#include <string_view>

#include "common/base/units.h"
#include "common/fanout/output_order.h"
#include "common/option/option_table.h"

namespace fl {

/// Bytes of unacknowledged events that a GroupSink keeps unless told otherwise.
inline constexpr Bytes kKeptBytes{64ull << 20};

template <class Options>
void add_capacity(OptionTable<Options>& table, Bytes Options::*member) {
  table
      .add("capacity", member, "SIZE",
           "Memory for events that are not acknowledged yet, at least 1MiB; when it is used up, "
           "reading stops.")
      .cli_only();
}

/// The choices of a policy in which the outputs take turns, the first one being the default.
inline constexpr std::array<const char*, 2> kSharingPolicies = {"round_robin", "random"};

inline OutputOrder::Policy sharing_policy(std::string_view choice) {
  return choice == kSharingPolicies[1] ? OutputOrder::Policy::random
                                       : OutputOrder::Policy::round_robin;
}

template <class Options>
void add_keep_alive(OptionTable<Options>& table, Duration Options::*member) {
  table.add("keepAlive", member, "TIME",
            "How long a full optional output is waited for before it misses events.");
}

}  // namespace fl
