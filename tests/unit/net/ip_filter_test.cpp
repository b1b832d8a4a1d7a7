#include "common/net/ip_filter.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

namespace fl {
namespace {

sockaddr_storage address(const std::string& text) {
  sockaddr_storage out{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(out);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    v6.sin6_family = AF_INET6;
  }
  return out;
}

/// 'a': allowed, 'd': denied, 'n': needs a name.
char judged(const std::string& rules, const std::string& client,
            const std::optional<std::string>& name = std::nullopt) {
  const auto filter = IpFilter::parse(rules);
  if (!filter) {
    ADD_FAILURE() << filter.error().message;
    return '?';
  }
  switch (filter->judge(address(client), name).kind) {
    case IpFilter::Verdict::Kind::allowed:
      return 'a';
    case IpFilter::Verdict::Kind::denied:
      return 'd';
    case IpFilter::Verdict::Kind::needs_name:
      return 'n';
  }
  return '?';
}

TEST(IpFilter, TheFirstRuleThatMatchesDecides) {
  EXPECT_EQ(judged("allow:ip:10.*,deny:ip:*", "10.1.2.3"), 'a');
  EXPECT_EQ(judged("allow:ip:10.*,deny:ip:*", "11.1.2.3"), 'd');
  EXPECT_EQ(judged("deny:ip:*,allow:ip:10.*", "10.1.2.3"), 'd');
  EXPECT_EQ(judged("deny:ip:10.1.2.3", "10.1.2.4"), 'a');  // none matches
  EXPECT_EQ(judged(" allow:ip:10.* ,  deny:ip:* ", "10.1.2.3"), 'a');
}

TEST(IpFilter, StarsAndQuestionMarks) {
  EXPECT_EQ(judged("deny:ip:10.?.2.*", "10.1.2.33"), 'd');
  EXPECT_EQ(judged("deny:ip:10.?.2.*", "10.11.2.33"), 'a');
  EXPECT_EQ(judged("deny:ip:1*1*3", "10.1.2.33"), 'd');
  EXPECT_EQ(judged("deny:ip:10.1.2.3", "10.1.2.33"), 'a');
  EXPECT_EQ(judged("deny:ip:10.1.2", "10.1.2.3"), 'a');  // the whole address
  EXPECT_EQ(judged("deny:ip:***", "10.1.2.3"), 'd');
}

TEST(IpFilter, BothFormsOfAnIpv6Address) {
  EXPECT_EQ(judged("deny:ip:::1", "::1"), 'd');
  EXPECT_EQ(judged("deny:ip:0:0:0:0:0:0:0:1", "::1"), 'd');
  EXPECT_EQ(judged("deny:ip:2001:db8:*", "2001:db8::7"), 'd');
  EXPECT_EQ(judged("deny:ip:127.0.0.1", "::ffff:127.0.0.1"), 'd');
}

TEST(IpFilter, Names) {
  EXPECT_EQ(judged("allow:name:*.example.com,deny:ip:*", "10.1.2.3"), 'n');
  EXPECT_EQ(judged("allow:name:*.example.com,deny:ip:*", "10.1.2.3", "a.b.Example.com"), 'a');
  EXPECT_EQ(judged("allow:name:*.example.com,deny:ip:*", "10.1.2.3", "10.1.2.3"), 'd');
  EXPECT_EQ(judged("deny:ip:10.*,allow:name:x", "10.1.2.3"), 'd');  // no name is needed
  EXPECT_EQ(judged("allow:name:localhost,deny:ip:*", "127.0.0.1"), 'a');
  EXPECT_EQ(judged("allow:name:localhost,deny:ip:*", "::1"), 'a');
  EXPECT_EQ(judged("allow:name:localhost,deny:ip:*", "192.0.2.1"), 'd');
}

TEST(IpFilter, WhatIsNoRule) {
  for (const char* const rules :
       {"", "allow", "allow:ip", "allow:ip:", "permit:ip:*", "allow:mac:*", "Allow:ip:*",
        "allow:ip:*,", ",", "allow:ip:10.0.0.0/8", "allow:ip:[1]", "allow:ip:1 2"}) {
    const auto filter = IpFilter::parse(rules);
    EXPECT_FALSE(filter.ok()) << rules;
    EXPECT_TRUE(filter.ok() || filter.error().kind == ErrorClass::config) << rules;
  }
}

}  // namespace
}  // namespace fl
