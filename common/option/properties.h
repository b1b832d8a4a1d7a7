// An option struct from the properties of a Flume file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/option/option_table.h"
#include "common/option/properties_file.h"

namespace fl {

/// What is worth telling the user about one property.
struct Finding {
  enum class Severity { warning, error };

  Severity severity = Severity::warning;
  std::string key;
  std::string value;     ///< "***" where it may be a secret
  std::size_t line = 0;  ///< 0: it is nowhere
  std::string message;   ///< "unknown property 'batchsize': did you mean 'batchSize'?"
  std::string hint;      ///< what to do
};

bool has_error(const std::vector<Finding>& findings);

/// Fills `options` (made by set.make()) from Flume keys without their prefix, as Flume takes their
/// values. Options that are not given get Flume's default where it differs from ours. Names and
/// values are trimmed, an empty value counts as not given, the last one of a key counts. Only
/// `true` in any case is true; bare numbers have the unit that Flume gives them; a list is
/// separated by blanks; a list of names with parts is read with the properties <key>.<name>.<part>.
/// `properties` holds only what belongs to the component: the caller has removed `type`, `channel`
/// and the like. After an error the struct is partly filled.
std::vector<Finding> apply_properties(const OptionSet& set, const std::vector<Property>& properties,
                                      void* options);

/// A JSON array of objects: key, value, line, severity, message, hint.
std::string findings_json(const std::vector<Finding>& findings);

}  // namespace fl
