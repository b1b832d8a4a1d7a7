#include "common/hadoop/spnego.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "common/base/clock.h"
#include "common/hadoop/kerberos.h"
#include "common/io/poll_set.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

class Spnego : public testing::Test {
 protected:
  Spnego() {
    std::ofstream(dir_.path() + "/krb5.conf")
        << "[libdefaults]\ndefault_realm = EXAMPLE.COM\ndns_lookup_kdc = false\n"
           "dns_canonicalize_hostname = false\n"
           "[realms]\nEXAMPLE.COM = {\n kdc = 127.0.0.1:1\n}\n";
    setenv("KRB5_CONFIG", (dir_.path() + "/krb5.conf").c_str(), 1);
    setenv("KRB5CCNAME", ("FILE:" + dir_.path() + "/tickets").c_str(), 1);
    unsetenv("KRB5_CLIENT_KTNAME");
  }

  static Result<std::string> answer_of(SpnegoTokens& tokens) {
    PollSet set;
    for (;;) {
      set.clear();
      tokens.watch(set);
      EXPECT_FALSE(set.empty());
      set.wait();
      if (auto answer = tokens.take()) {
        return std::move(*answer);
      }
    }
  }

  const TempDir dir_;
};

TEST_F(Spnego, WithoutATicketThereIsNoToken) {
  SpnegoTokens tokens({}, {});
  EXPECT_FALSE(tokens.is_busy());
  tokens.ask("localhost", false);
  EXPECT_TRUE(tokens.is_busy());
  const Result<std::string> answer = answer_of(tokens);
  EXPECT_FALSE(tokens.is_busy());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorClass::permission);
  EXPECT_NE(answer.error().message.find("there is no Kerberos ticket"), std::string::npos);
}

TEST_F(Spnego, AKeytabThatEverybodyMayReadIsNotUsed) {
  const std::string keytab = dir_.path() + "/keytab";
  std::ofstream(keytab) << "x";
  chmod(keytab.c_str(), 0644);
  EXPECT_FALSE(check_private(keytab).ok());
  SpnegoTokens tokens(keytab, {});
  tokens.ask("localhost", false);
  const Result<std::string> answer = answer_of(tokens);
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.error().message.find("everybody may read"), std::string::npos);
  chmod(keytab.c_str(), 0640);
  EXPECT_TRUE(check_private(keytab).ok());
  EXPECT_TRUE(check_private(dir_.path() + "/none").ok());
}

TEST_F(Spnego, AnAnswerThatNobodyWantsIsNotTheNextOne) {
  SpnegoTokens tokens(dir_.path() + "/none", {});
  tokens.ask("localhost", false);
  tokens.stop();
  EXPECT_FALSE(tokens.is_busy());
  EXPECT_FALSE(tokens.take().has_value());
  tokens.ask("localhost", true);
  EXPECT_FALSE(answer_of(tokens).ok());
  EXPECT_FALSE(tokens.take().has_value());
}

}  // namespace
}  // namespace fl
