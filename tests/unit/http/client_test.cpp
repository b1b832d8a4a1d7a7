#include "common/http/client.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "tests/unit/hadoop/fake_server.h"

namespace fl {
namespace {

HttpFailure failure_of(HttpClient::Settings settings, const HttpRequest& request) {
  HttpClient client(std::move(settings));
  auto outcome = client.send(request);
  EXPECT_TRUE(std::holds_alternative<HttpFailure>(outcome));
  return std::holds_alternative<HttpFailure>(outcome) ? std::get<HttpFailure>(outcome)
                                                      : HttpFailure{};
}

HttpRequest request_of(const std::string& url) {
  HttpRequest request;
  request.url = url + "/?token=SECRET";
  request.first_answer_ms = 300;
  request.answer_ms = 600;
  return request;
}

TEST(HttpClient, ServerThatNeverAnswersIsLeft) {
  FakeServer server([](const std::string&) { return kHang; });
  const HttpFailure failure = failure_of({}, request_of(server.url()));
  EXPECT_EQ(failure.kind, HttpFailure::Kind::stalled);
  EXPECT_EQ(failure.text, "no answer for 300 ms");
  EXPECT_TRUE(failure.may_have_arrived);
}

TEST(HttpClient, DrippingBodyOrHeaderIsLeft) {
  for (const std::string& answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + kDrip + "x",
        "HTTP/1.1 200 OK\r\n" + kDrip + "A: b\r\n"}) {
    FakeServer server([&](const std::string&) { return answer; });
    const HttpFailure failure = failure_of({}, request_of(server.url()));
    EXPECT_EQ(failure.kind, HttpFailure::Kind::stalled) << answer;
    EXPECT_EQ(failure.text, "the answer was not complete after 600 ms") << answer;
  }
}

TEST(HttpClient, PromisesOfAnAnswerDoNotCountAsProgress) {
  FakeServer server(
      [](const std::string&) { return "HTTP/1.1 " + kDrip + "100 Continue\r\n\r\nHTTP/1.1 "; });
  HttpClient::Settings settings;
  settings.stall_timeout_ms = 500;
  const HttpFailure failure = failure_of(settings, request_of(server.url()));
  EXPECT_EQ(failure.kind, HttpFailure::Kind::stalled);
}

TEST(HttpClient, HugeHeaderIsRefused) {
  std::string header = "HTTP/1.1 200 OK\r\n";
  while (header.size() < (2 << 20)) {
    header += "X-Filler: " + std::string(1000, 'x') + "\r\n";
  }
  FakeServer server([&](const std::string&) { return header + "\r\n"; });
  const HttpFailure failure = failure_of({}, request_of(server.url()));
  EXPECT_EQ(failure.text, "the header of the answer is longer than 256 KiB");
}

TEST(HttpClient, AddressMapLeadsElsewhere) {
  FakeServer server([](const std::string&) { return reply("200 OK", "here"); });
  HttpClient::Settings settings;
  const std::string port = server.url().substr(server.url().rfind(':') + 1);
  auto map = parse_address_map("other:1=127.0.0.1:1,namenode:9870=127.0.0.1:" + port);
  ASSERT_TRUE(map.ok()) << map.error().message;
  settings.address_map = *map;
  HttpClient client(settings);
  HttpRequest request;
  request.url = "http://namenode:9870/x";
  auto outcome = client.send(request);
  ASSERT_TRUE(std::holds_alternative<HttpReply>(outcome)) << std::get<HttpFailure>(outcome).text;
  EXPECT_EQ(std::get<HttpReply>(outcome).body, "here");
  EXPECT_TRUE(has(server.requests()[0], "Host: namenode:9870")) << server.requests()[0];
}

TEST(HttpClient, AddressMapsAreChecked) {
  EXPECT_EQ(parse_address_map("")->size(), 0U);
  const auto six = parse_address_map("[::1]:1=[fe80::2]:65535");
  ASSERT_TRUE(six.ok()) << six.error().message;
  EXPECT_EQ((*six)[0].to_host, "[fe80::2]");
  for (const char* bad : {"a", "a:1", "a:1=b", "a=b", "a:x=b:1", "a:1=b:65536", ":1=b:1",
                          "::1:1=b:1", "a:1=b:1,,c:1=d:1", "a/b:1=c:1"}) {
    EXPECT_FALSE(parse_address_map(bad).ok()) << bad;
  }
}

TEST(HttpClient, CertificatesThatCannotBeReadAreOurOwnFault) {
  FakeServer server([](const std::string&) { return kHang; });
  const std::string url = "https" + server.url().substr(4);
  HttpClient::Settings no_ca;
  no_ca.tls.ca_file = "/nonexistent/ca.pem";
  EXPECT_EQ(failure_of(no_ca, request_of(url)).kind, HttpFailure::Kind::setup);
  HttpClient::Settings no_key;
  no_key.tls.certificate = "/nonexistent/client.pem";
  EXPECT_EQ(failure_of(no_key, request_of(url)).kind, HttpFailure::Kind::setup);
}

TEST(HttpClient, ServerThatEndsNoHandshakeIsLeft) {
  FakeServer server([](const std::string&) { return kHang; });
  HttpClient::Settings settings;
  settings.connect_timeout_ms = 300;
  const HttpFailure failure = failure_of(settings, request_of("https" + server.url().substr(4)));
  EXPECT_EQ(failure.kind, HttpFailure::Kind::connect) << failure.text;
  EXPECT_FALSE(has(failure.text, "SECRET")) << failure.text;
}

TEST(HttpClient, OfferOfNegotiateIsSeen) {
  FakeServer server([](const std::string&) {
    return reply("401 Unauthorized", "",
                 "WWW-Authenticate: Basic\r\nwww-authenticate: Negotiate\r\n");
  });
  HttpClient client({});
  auto outcome = client.send(request_of(server.url()));
  ASSERT_TRUE(std::holds_alternative<HttpReply>(outcome));
  EXPECT_TRUE(std::get<HttpReply>(outcome).wants_negotiate);
}

}  // namespace
}  // namespace fl
