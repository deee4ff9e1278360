#include "proto/status_bridge.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/error_reason.h"
#include "quantlab/v1/error.pb.h"

namespace quantlab {
namespace {

struct Pair {
  absl::StatusCode absl_code;
  grpc::StatusCode grpc_code;
};

constexpr Pair kPairs[] = {
    {absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED},
    {absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN},
    {absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    {absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
    {absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND},
    {absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
    {absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
    {absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    {absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
    {absl::StatusCode::kAborted, grpc::StatusCode::ABORTED},
    {absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE},
    {absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED},
    {absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL},
    {absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
    {absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
    {absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
};

TEST(StatusBridgeTest, EveryCodeGoesThereAndBack) {
  for (const Pair& pair : kPairs) {
    const absl::Status status(pair.absl_code, "what, where, remedy");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(wire.error_code(), pair.grpc_code) << status;
    EXPECT_EQ(wire.error_message(), "what, where, remedy");
    EXPECT_EQ(FromGrpcStatus(wire), status);
  }
  EXPECT_EQ(std::size(kPairs), 16u);
}

TEST(StatusBridgeTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(StatusBridgeTest, ReasonTravelsInGooglesForm) {
  const absl::Status status = WithReason(absl::ResourceExhaustedError("disk full"), "DISK_FULL");
  const grpc::Status wire = ToGrpcStatus(status);

  v1::RpcStatus details;
  ASSERT_TRUE(details.ParseFromString(wire.error_details()));
  EXPECT_EQ(details.code(), 8);
  EXPECT_EQ(details.message(), wire.error_message());
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  v1::ErrorInfo info;
  ASSERT_TRUE(info.ParseFromString(details.details(0).value()));
  EXPECT_EQ(info.domain(), "quantlab");
  EXPECT_EQ(info.reason(), "DISK_FULL");

  EXPECT_EQ(FromGrpcStatus(wire), status);
  EXPECT_EQ(ReasonOf(FromGrpcStatus(wire)), "DISK_FULL");
}

TEST(StatusBridgeTest, WithoutAReasonTheCodeIsOne) {
  EXPECT_EQ(ReasonOf(FromGrpcStatus(ToGrpcStatus(absl::NotFoundError("x")))), "NOT_FOUND");
}

TEST(StatusBridgeTest, UnknownCodesAndForeignDetailsAreBorne) {
  // The largest value that the enumeration can hold: a larger one would be undefined behaviour.
  const auto odd = static_cast<grpc::StatusCode>(31);
  EXPECT_EQ(FromGrpcStatus(grpc::Status(odd, "m")).code(), absl::StatusCode::kUnknown);
  const absl::Status garbage = FromGrpcStatus(grpc::Status(grpc::NOT_FOUND, "m", "\xff\xff garbage"));
  EXPECT_EQ(garbage, absl::NotFoundError("m"));

  v1::ErrorInfo info;
  info.set_domain("googleapis.com");
  info.set_reason("API_DISABLED");
  v1::RpcStatus foreign;
  foreign.add_details()->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  foreign.add_details()->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  foreign.mutable_details(1)->set_value(info.SerializeAsString());
  EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::NOT_FOUND, "m", foreign.SerializeAsString())),
            absl::NotFoundError("m"));
}

TEST(StatusBridgeTest, LongMessagesFitTheTrailersAndEndAtACharacter) {
  std::string text;
  while (text.size() < 10'000) text += "\xE8\xAF\xBE";  // 课
  const grpc::Status wire = ToGrpcStatus(absl::InvalidArgumentError(text));
  EXPECT_LE(wire.error_message().size(), static_cast<size_t>(kMaxWireMessage));
  EXPECT_THAT(wire.error_message(), ::testing::EndsWith("课…"));
}

TEST(StatusBridgeTest, BrokenTextIsMadeUtf8) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("a\xff"
                                             "b"))
                .error_message(),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(StatusBridgeTest, MessagesTravelWithTheError) {
  const Message message = messages::kRunNeedsMissing("baseline");
  const absl::Status status = WithReason(MessageStatus(absl::StatusCode::kNotFound, message), "GONE");
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(status));
  EXPECT_EQ(MessageOf(back), message);
  EXPECT_EQ(ReasonOf(back), "GONE");
  EXPECT_EQ(MessageOf(FromGrpcStatus(ToGrpcStatus(absl::InternalError("boom")))), messages::kText("boom"));
  // One that is too long for the trailers is left out; its text is cut.
  const std::string text(size_t{1} << 20, 'x');
  const absl::Status cut = FromGrpcStatus(
      ToGrpcStatus(MessageStatus(absl::StatusCode::kNotFound, messages::kRunNeedsMissing(text))));
  EXPECT_EQ(MessageOf(cut), messages::kText(cut.message()));
}

}  // namespace
}  // namespace quantlab
