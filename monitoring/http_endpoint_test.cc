#include "monitoring/http_endpoint.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "monitoring/http_get_testing.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

Address AnyPort(const std::string& host = "127.0.0.1") {
  Address address;
  address.host = host;
  return address;
}

TEST(HttpEndpointTest, HandlersGetWhatWasAsked) {
  HttpRequest seen;
  auto endpoint = HttpEndpoint::Listen(AnyPort(), [&](const HttpRequest& request) {
    seen = request;
    return HttpResponse{200, "application/json", "[]"};
  });
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  ASSERT_GT((*endpoint)->address().port, 0);
  const auto response =
      HttpGet((*endpoint)->address(), "/a%20b?x=1&y=%32", "Authorization: Bearer secret\r\n");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(*response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(*response, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(*response, HasSubstr("Content-Length: 2\r\n"));
  EXPECT_THAT(*response, EndsWith("\r\n\r\n[]"));
  EXPECT_EQ(seen.path, "/a b");
  EXPECT_EQ(seen.query, "x=1&y=%32");
  EXPECT_EQ(seen.authorization, "Bearer secret");
  EXPECT_EQ(seen.host, (*endpoint)->address().ToString());
}

TEST(HttpEndpointTest, HeadHasNoBodyAndOtherMethodsAreRefused) {
  std::atomic<int> calls = 0;
  auto endpoint = HttpEndpoint::Listen(AnyPort(), [&](const HttpRequest&) {
    ++calls;
    return HttpResponse{200, "text/plain", "body"};
  });
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string head = *SendHttp((*endpoint)->address(), "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(head, EndsWith("\r\n\r\n"));
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    const std::string refused = *SendHttp((*endpoint)->address(), std::string(method) +
                                                                      " / HTTP/1.1\r\nHost: x\r\n"
                                                                      "Content-Length: 0\r\n\r\n");
    EXPECT_THAT(refused, StartsWith("HTTP/1.1 405 ")) << method;
  }
  EXPECT_EQ(calls, 1);
}

TEST(HttpEndpointTest, GarbageAndFloodsDoNotStopIt) {
  auto endpoint = HttpEndpoint::Listen(AnyPort(), [](const HttpRequest& request) {
    if (request.path == "/throws") throw std::runtime_error("broken");
    return HttpResponse{200, "text/plain", "fine"};
  });
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const Address& address = (*endpoint)->address();
  SendHttp(address, "not http at all\r\n\r\n").IgnoreError();
  SendHttp(address, "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n").IgnoreError();
  EXPECT_THAT(*HttpGet(address, "/throws"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(*HttpGet(address, "/../../etc/passwd"), Not(HasSubstr("root:")));
  // More connections than there are threads, which send nothing.
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(*ConnectTo(address, absl::Seconds(5)));
  silent.clear();
  EXPECT_THAT(*HttpGet(address, "/"), EndsWith("fine"));
}

TEST(HttpEndpointTest, ATakenAddressIsNamed) {
  const auto answer = [](const HttpRequest&) { return HttpResponse(); };
  auto first = HttpEndpoint::Listen(AnyPort(), answer);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = HttpEndpoint::Listen((*first)->address(), answer);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr((*first)->address().ToString()));
}

TEST(HttpEndpointTest, QueriesAreDecoded) {
  EXPECT_THAT(ParseHttpQuery("name=accuracy&split=a%20b+c&empty=&alone&%41=1=2&&"),
              ElementsAre(Pair("name", "accuracy"), Pair("split", "a b c"), Pair("empty", ""),
                          Pair("alone", ""), Pair("A", "1=2")));
  EXPECT_THAT(ParseHttpQuery(""), IsEmpty());
}

TEST(HttpEndpointTest, OnlyNamesOfThisMachineAreLoopbackHosts) {
  for (const char* host : {"localhost", "localhost:9464", "127.0.0.1", "127.0.0.1:9464", "[::1]", "[::1]:80"})
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  for (const char* host : {"", "example.org", "example.org:9464", "127.0.0.1.example.org", "10.0.0.1:80",
                           "unix:/tmp/a", "localhost.example.org:1"})
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
}

}  // namespace
}  // namespace quantlab
