// An option struct from the properties of a Flume file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/option/option_table.h"

namespace fl {

/// What is worth telling the user although the component runs.
struct PropertyNotes {
  std::vector<std::string> unknown;  ///< "unknown property 'batchsize': did you mean 'batchSize'?"
  std::vector<std::string> ignored;  ///< "property 'x' has no effect: <reason>"
};

/// Fills `options` (made by set.make()) from Flume keys without their prefix. Options that are not
/// given get Flume's default where it differs from ours. Bare numbers have the unit that Flume
/// gives them; a list is parted by blanks; a list of names with parts is read with the
/// properties <key>.<name>.<part>. `properties` holds only what belongs to the component:
/// the caller has taken `type`, `channel` and the like away. Errors are of class config and name
/// the key; the struct is then partly filled.
Status apply_properties(const OptionSet& set, const std::map<std::string, std::string>& properties,
                        void* options, PropertyNotes& notes);

}  // namespace fl
