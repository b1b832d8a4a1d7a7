#include "common/http/posts.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "common/io/poll_set.h"
#include "tests/unit/hadoop/fake_server.h"

namespace fl {
namespace {

PostOutcome finish(HttpPosts& posts) {
  PollSet set;
  for (;;) {
    set.clear();
    posts.watch(set);
    set.wake_at(posts.deadline_ms());
    set.wait();
    if (auto outcome = posts.handle(set)) {
      return std::move(*outcome);
    }
  }
}

PostOutcome post(HttpPosts& posts, const std::string& body = "x") {
  posts.send(body);
  return finish(posts);
}

HttpPosts::Settings settings_of(const std::string& url) {
  HttpPosts::Settings settings;
  settings.url = url;
  settings.request_timeout_ms = 30'000;
  return settings;
}

std::string header_of(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ": ");
  const std::size_t begin = at + name.size() + 4;
  return at == std::string::npos ? "" : request.substr(begin, request.find("\r\n", begin) - begin);
}

TEST(HttpPosts, WhatALoginMayBeIsOffered) {
  struct {
    std::string headers;
    bool negotiate;
    bool basic;
  } const cases[] = {
      {"", false, false},
      {"WWW-Authenticate: Negotiate\r\n", true, false},
      {"www-authenticate: nEGOTIATE abc=\r\n", true, false},
      {"WWW-Authenticate: Basic realm=\"a, b\"\r\nWWW-Authenticate: Negotiate\r\n", true, true},
      {"WWW-Authenticate: Digest a=\"b\", Negotiate, BASIC realm=\"x\"\r\n", true, true},
      {"WWW-Authenticate: Basics, Negotiated\r\n", false, false},
      {"WWW-Authenticate: Digest realm=Negotiate\r\n", false, false},
      {"X-WWW-Authenticate: Negotiate\r\n", false, false},
  };
  for (const auto& each : cases) {
    FakeServer server(
        [&](const std::string&) { return reply("401 Unauthorized", "", each.headers); });
    HttpPosts posts(settings_of(server.url()));
    const PostOutcome outcome = post(posts);
    EXPECT_EQ(outcome.status, 401);
    EXPECT_EQ(outcome.wants_negotiate, each.negotiate) << each.headers;
    EXPECT_EQ(outcome.wants_basic, each.basic) << each.headers;
  }
}

TEST(HttpPosts, AnOfferIsForgottenWithTheNextRequest) {
  int count = 0;
  FakeServer server([&](const std::string&) {
    return ++count == 1 ? reply("401 Unauthorized", "", "WWW-Authenticate: Negotiate\r\n")
                        : reply("200 OK", "");
  });
  HttpPosts posts(settings_of(server.url()));
  EXPECT_TRUE(post(posts).wants_negotiate);
  EXPECT_FALSE(post(posts).wants_negotiate);
}

TEST(HttpPosts, AuthorizationIsOfTheRequestsThatFollow) {
  FakeServer server([](const std::string&) { return reply("200 OK", ""); });
  HttpPosts::Settings settings = settings_of(server.url());
  settings.headers = {"X-Mine: yes"};
  HttpPosts posts(std::move(settings));
  for (const char* const value : {"", "Negotiate abc", "Negotiate def", ""}) {
    posts.authorize(value);
    EXPECT_EQ(post(posts).status, 200);
    EXPECT_EQ(header_of(server.requests().back(), "Authorization"), value);
    EXPECT_EQ(header_of(server.requests().back(), "X-Mine"), "yes");
  }
}

TEST(HttpPosts, ACookieIsKeptUntilItIsTakenBack) {
  std::string set;
  FakeServer server([&](const std::string&) { return reply("200 OK", "", set); });
  for (const bool keeps : {true, false}) {
    HttpPosts::Settings settings = settings_of(server.url());
    settings.cookies = keeps;
    HttpPosts posts(std::move(settings));
    set = "Set-Cookie: hadoop.auth=\"u=a&e=1\"; HttpOnly\r\nSet-Cookie: other=1\r\n";
    EXPECT_FALSE(posts.has_cookie("hadoop.auth"));
    post(posts);
    EXPECT_EQ(posts.has_cookie("hadoop.auth"), keeps);
    EXPECT_EQ(posts.has_cookie("other"), keeps);
    EXPECT_FALSE(posts.has_cookie("hadoop"));
    set = "Set-Cookie: hadoop.auth=; Expires=Thu, 01-Jan-1970 00:00:00 GMT; HttpOnly\r\n";
    post(posts);
    const std::string sent = header_of(server.requests().back(), "Cookie");
    EXPECT_EQ(sent.find("hadoop.auth=\"u=a&e=1\"") != std::string::npos, keeps) << sent;
    EXPECT_FALSE(posts.has_cookie("hadoop.auth"));
    EXPECT_EQ(posts.has_cookie("other"), keeps);
  }
}

TEST(HttpPosts, HostsOfUrls) {
  EXPECT_EQ(HttpPosts::host_of("http://Gateway.Example:8080/x"), "gateway.example");
  EXPECT_EQ(HttpPosts::host_of("https://[::1]:8080"), "[::1]");
  EXPECT_EQ(HttpPosts::host_of("https://127.0.0.1"), "127.0.0.1");
}

}  // namespace
}  // namespace fl
