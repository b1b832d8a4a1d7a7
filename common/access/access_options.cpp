#include "common/access/access_options.h"

#include <utility>

#include "common/base/log.h"
#include "common/event/event.h"

namespace fl {

Result<std::shared_ptr<const IpFilter>> open_access(const AccessOptions& options) {
  std::shared_ptr<const IpFilter> none;
  const std::string& header = options.client_ip_header;
  if (header.size() > EventLimits().name_bytes || !is_valid_utf8(header)) {
    return Error{ErrorClass::config, "--client-ip-header is not a valid header name", {}};
  }
  if (!options.ip_filter) {
    if (!options.ip_filter_rules.empty()) {
      log(LogLevel::warning,
          "--ip-filter-rules has no effect without --ip-filter: everybody may connect");
    }
    return none;
  }
  if (options.ip_filter_rules.empty()) {
    return Error{ErrorClass::config, "--ip-filter needs rules",
                 "for example --ip-filter-rules allow:ip:10.0.*,deny:ip:*"};
  }
  Result<IpFilter> filter = IpFilter::parse(options.ip_filter_rules);
  if (!filter) {
    return filter.error();
  }
  return std::shared_ptr<const IpFilter>(std::make_shared<IpFilter>(std::move(*filter)));
}

std::string client_headers(const AccessOptions& options, const std::string& host) {
  std::string block;
  if (!options.client_ip_header.empty()) {
    append_map_block(block, {{options.client_ip_header, host}});
  }
  return block;
}

}  // namespace fl
