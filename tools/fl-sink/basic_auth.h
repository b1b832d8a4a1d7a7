// Basic authentication of a sink that speaks HTTP.
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/option/secret.h"

namespace fl {

/// The value of the header Authorization ("Basic ..."); empty without a user. Errors: class usage
/// (one of the two is missing, or is of no use there), or those of reading the password.
Result<std::string> basic_authorization(const std::string& user, const Secret& password);

/// Warns if the password goes over a network that can read it: http to another host.
void warn_of_readable_password(const std::vector<std::string>& urls);

}  // namespace fl
