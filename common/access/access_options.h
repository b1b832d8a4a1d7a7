// Options of a component that listens: who may connect, and which header names the client.
#pragma once

#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/net/ip_filter.h"
#include "common/option/option_table.h"

namespace fl {

struct AccessOptions {
  bool ip_filter = false;
  std::string ip_filter_rules;
  std::string client_ip_header;
};

template <typename Options>
void add_access_options(OptionTable<Options>& table, AccessOptions Options::*part) {
  table.add("ipFilter", part, &AccessOptions::ip_filter, "BOOL",
            "Check clients against --ip-filter-rules.");
  table.add("ipFilterRules", part, &AccessOptions::ip_filter_rules, "RULES",
            "Rules allow|deny:ip|name:PATTERN with commas between; the first that matches decides, "
            "and where none does, the client may connect. * stands for any characters, ? for one. "
            "A name counts if it resolves back to the address; "
            "localhost is every address of this host.");
  table.add("clientIPHeader", part, &AccessOptions::client_ip_header, "NAME",
            "Each event gets this header with the address of its client, without the port; one "
            "that it has already is replaced.");
}

/// Null where there is no filter. Class config: these options are wrong.
Result<std::shared_ptr<const IpFilter>> open_access(const AccessOptions& options);

/// The encoded headers that an event of this client gets, as a prefix for it (append_map_block()).
/// Empty: none.
std::string client_headers(const AccessOptions& options, const std::string& host);

}  // namespace fl
