// The properties of a component from a descriptor (--properties): how fl-agent gives a component
// its options, and how people check a Flume file.
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/option/properties.h"

namespace fl {

/// Reads the open descriptor `number` to its end and closes it; fills `options`. Errors: class
/// usage for a word that is not an open descriptor, config for more text than a component can need,
/// io. What is wrong with the properties themselves is among the findings.
Result<std::vector<Finding>> read_properties(const std::string& number, const OptionSet& set,
                                             void* options);

/// Logs the warnings and all errors but the first, which is returned (class config).
Status log_findings(const std::vector<Finding>& findings);

}  // namespace fl
