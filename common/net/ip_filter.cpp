#include "common/net/ip_filter.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <memory>

#include "common/net/tcp_listener.h"

namespace fl {
namespace {

constexpr std::string_view kLocalhost = "localhost";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// In time that grows with the product of the sizes, at most.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

// Java writes an IPv6 address with all its zeros.
std::string java_text(const sockaddr_storage& address) {
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (address.ss_family != AF_INET6 || IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    return host_text(address);
  }
  std::string text;
  for (int i = 0; i < 16; i += 2) {
    char part[8] = {};
    const unsigned value = (unsigned{v6.sin6_addr.s6_addr[i]} << 8) | v6.sin6_addr.s6_addr[i + 1];
    (void)std::snprintf(part, sizeof part, "%s%x", i == 0 ? "" : ":", value);
    text += part;
  }
  return text;
}

bool is_of_this_host(const sockaddr_storage& client) {
  const std::string wanted = host_text(client);
  if (wanted == "::1" || wanted.starts_with("127.")) {
    return true;
  }
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return false;
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr ||
        (each->ifa_addr->sa_family != AF_INET && each->ifa_addr->sa_family != AF_INET6)) {
      continue;
    }
    sockaddr_storage address{};
    std::memcpy(&address, each->ifa_addr,
                each->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (host_text(address) == wanted) {
      return true;
    }
  }
  return false;
}

Error bad_rule(std::string_view rule) {
  return {ErrorClass::config, "'" + std::string(rule) + "' is not a rule of an IP filter",
          "a rule is allow or deny, ip or name, and a pattern: "
          "allow:ip:10.0.*,allow:name:localhost,deny:ip:*"};
}

}  // namespace

Result<IpFilter> IpFilter::parse(std::string_view text) {
  IpFilter filter;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string_view rule = trimmed(text.substr(start, end - start));
    start = end + 1;
    const std::size_t first = rule.find(':');
    const std::size_t second = first == std::string_view::npos ? first : rule.find(':', first + 1);
    if (second == std::string_view::npos) {
      return bad_rule(rule);
    }
    const std::string_view access = rule.substr(0, first);
    const std::string_view kind = rule.substr(first + 1, second - first - 1);
    const std::string_view pattern = rule.substr(second + 1);
    const bool is_pattern =
        !pattern.empty() && std::all_of(pattern.begin(), pattern.end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                 std::string_view(".:*?-_").find(c) != std::string_view::npos;
        });
    if ((access != "allow" && access != "deny") || (kind != "ip" && kind != "name") ||
        !is_pattern) {
      return bad_rule(rule);
    }
    filter.rules_.push_back(
        {std::string(rule), std::string(pattern), access == "allow", kind == "name"});
  }
  return filter;
}

bool IpFilter::has_names() const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [](const Rule& rule) { return rule.is_name && rule.pattern != kLocalhost; });
}

IpFilter::Verdict IpFilter::judge(const sockaddr_storage& client,
                                  const std::optional<std::string>& name) const {
  using Kind = Verdict::Kind;
  for (const Rule& rule : rules_) {
    bool is_match = false;
    if (!rule.is_name) {
      is_match =
          matches(rule.pattern, host_text(client)) || matches(rule.pattern, java_text(client));
    } else if (rule.pattern == kLocalhost) {
      is_match = is_of_this_host(client);
    } else if (!name) {
      return {Kind::needs_name, rule.text};
    } else {
      is_match = matches(rule.pattern, *name);
    }
    if (is_match) {
      return {rule.allows ? Kind::allowed : Kind::denied, rule.text};
    }
  }
  return {};
}

}  // namespace fl
