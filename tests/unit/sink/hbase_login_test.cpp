#include "tools/fl-sink/hbase/login.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <utility>

#include "common/io/poll_set.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

constexpr const char* kUrl = "http://localhost:8080";

PostOutcome refusal(bool negotiate, bool basic = false) {
  PostOutcome outcome;
  outcome.status = 401;
  outcome.wants_negotiate = negotiate;
  outcome.wants_basic = basic;
  return outcome;
}

class Login : public testing::Test {
 protected:
  Login() {
    setenv("KRB5CCNAME", ("FILE:" + dir_.path() + "/tickets").c_str(), 1);
    unsetenv("KRB5_CLIENT_KTNAME");
    settings_.gateways = {kUrl};
  }

  void open(HBaseLogin& login) { ASSERT_TRUE(login.open(settings_).ok()); }
  void with_password() {
    settings_.user = "anna";
    settings_.password = Secret(Secret::Origin::literal, "word");
  }

  static Error wait_for_error(HBaseLogin& login) {
    PollSet set;
    for (;;) {
      set.clear();
      login.watch(set);
      set.wake_at(login.deadline_ms());
      set.wait();
      if (const auto why = login.handle()) {
        return *why;
      }
    }
  }

  const TempDir dir_;
  HBaseLogin::Settings settings_;
};

TEST_F(Login, APasswordGoesWithEachRequestUntilItIsRefused) {
  with_password();
  HBaseLogin login;
  open(login);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(login.prepare(kUrl, false));
    EXPECT_EQ(login.take_authorization(), "Basic YW5uYTp3b3Jk");
    login.accepted();
  }
  for (const bool negotiate : {false, true}) {
    const auto why = login.refused(refusal(negotiate, true), kUrl);
    ASSERT_TRUE(why.has_value());
    EXPECT_EQ(why->kind, ErrorClass::permission);
    EXPECT_EQ(why->message.find("word "), std::string::npos);
  }
}

TEST_F(Login, WithoutALoginNothingIsSent) {
  for (const char* const auth : {"auto", "simple"}) {
    settings_.auth = auth;
    HBaseLogin login;
    open(login);
    EXPECT_TRUE(login.prepare(kUrl, false));
    EXPECT_EQ(login.take_authorization(), "");
    EXPECT_FALSE(login.is_busy());
  }
}

TEST_F(Login, AGatewayMayAskForKerberosUnlessItIsForbidden) {
  HBaseLogin login;
  open(login);
  EXPECT_TRUE(login.refused(refusal(false), kUrl).has_value());
  EXPECT_FALSE(login.refused(refusal(true), kUrl).has_value());
  ASSERT_FALSE(login.prepare(kUrl, true));  // the cookie was not enough
  EXPECT_TRUE(login.is_busy());
  const Error why = wait_for_error(login);
  EXPECT_EQ(why.kind, ErrorClass::permission);
  EXPECT_EQ(why.message.find(kUrl + std::string(" wants Kerberos: there is no")), 0U);
  settings_.auth = "simple";
  HBaseLogin simple;
  open(simple);
  EXPECT_TRUE(simple.refused(refusal(true), kUrl).has_value());
}

TEST_F(Login, AfterTheCookieATokenAndThenOneOfANewLogin) {
  settings_.auth = "kerberos";
  HBaseLogin login;
  open(login);
  EXPECT_TRUE(login.prepare(kUrl, true));
  EXPECT_EQ(login.take_authorization(), "");
  EXPECT_FALSE(login.refused(refusal(true), kUrl).has_value());
  ASSERT_FALSE(login.prepare(kUrl, true));
  (void)wait_for_error(login);  // here there are no tickets
  login.accepted();
  EXPECT_TRUE(login.prepare(kUrl, true));
}

TEST_F(Login, WithoutACookieEachRequestNeedsAToken) {
  settings_.auth = "kerberos";
  HBaseLogin login;
  open(login);
  EXPECT_FALSE(login.prepare(kUrl, false));
  EXPECT_GE(login.deadline_ms(), 0);
  EXPECT_EQ(login.give_up().kind, ErrorClass::unavailable);
  EXPECT_FALSE(login.is_busy());
  EXPECT_EQ(login.deadline_ms(), -1);
}

TEST_F(Login, ATicketOfKinitIsWaitedForOnceItWasGood) {
  const Error why{ErrorClass::permission, "expired", {}};
  settings_.auth = "kerberos";
  HBaseLogin login;
  open(login);
  EXPECT_FALSE(login.waits_for_kinit(why));
  login.accepted();
  EXPECT_TRUE(login.waits_for_kinit(why));
  settings_.keytab = dir_.path() + "/keytab";
  HBaseLogin other;
  open(other);
  other.accepted();
  EXPECT_FALSE(other.waits_for_kinit(why));
}

TEST_F(Login, WhatIsARefusal) {
  PostOutcome outcome = refusal(false);
  EXPECT_TRUE(HBaseLogin::is_refusal(outcome));
  outcome.status = 403;
  outcome.text = "Forbidden";
  EXPECT_FALSE(HBaseLogin::is_refusal(outcome));
  outcome.text = "org.ietf.jgss.GSSException: Failure unspecified (Checksum failed)";
  EXPECT_TRUE(HBaseLogin::is_refusal(outcome));
  outcome.status = 500;
  EXPECT_FALSE(HBaseLogin::is_refusal(outcome));
}

}  // namespace
}  // namespace fl
