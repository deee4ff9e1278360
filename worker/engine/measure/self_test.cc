#include "worker/engine/measure/self_test.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

// What every integer product of LibTorch accepts: multiples of 16, and more than 16 rows.
constexpr int64_t kRows = 96, kInner = 128, kColumns = 64;

absl::Status Wrong(const Device& device, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the self-test of device ", device.name(), " failed: ", what,
                                          "; check the machine before it executes runs"));
}

at::Tensor RandomIntegers(int64_t largest, at::IntArrayRef shape, uint64_t seed) {
  return at::randint(-largest, largest + 1, shape, at::detail::createCPUGenerator(seed),
                     at::dtype(at::kLong));
}

// Sums of at most kInner terms of -1, 0 and 1 are exact in every floating-point precision with 8 digits or
// more.
absl::Status TestProducts(const Device& device) {
  const at::Tensor a = RandomIntegers(1, {kRows, kInner}, 1), b = RandomIntegers(1, {kInner, kColumns}, 2);
  const at::Tensor expected = at::mm(a, b);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor product =
        at::mm(a.to(dtype).to(TorchDevice(device)), b.to(dtype).to(TorchDevice(device)));
    if (!at::equal(product.cpu().to(at::kLong), expected)) {
      return Wrong(device, absl::StrCat("a product in ", at::toString(dtype), " is wrong"));
    }
  }
  return absl::OkStatus();
}

absl::Status TestIntegerProduct(const Device& device) {
  const at::Tensor a = RandomIntegers(127, {kRows, kInner}, 3),
                   b = RandomIntegers(127, {kInner, kColumns}, 4);
  const at::Tensor product =
      at::_int_mm(a.to(at::kChar).to(TorchDevice(device)), b.to(at::kChar).to(TorchDevice(device)));
  if (!at::equal(product.cpu().to(at::kLong), at::mm(a, b))) return Wrong(device, "an INT8 product is wrong");
  return absl::OkStatus();
}

absl::Status TestSums(const Device& device) {
  const at::Tensor ones = at::softmax(at::zeros({kRows, kColumns}).to(TorchDevice(device)), 1) * kColumns;
  if (!at::equal(ones.cpu(), at::ones({kRows, kColumns}))) return Wrong(device, "a softmax is wrong");
  const at::Tensor sum = at::arange(0, kInner, at::dtype(at::kFloat).device(TorchDevice(device))).sum();
  if (sum.item<float>() != kInner * (kInner - 1) / 2) return Wrong(device, "a sum is wrong");
  return absl::OkStatus();
}

absl::Status TestMemory(const Device& device, int64_t bytes) {
  // Numbers with bits set in every byte; a Weyl sequence (odd multiplier) repeats none.
  const at::Tensor pattern = at::arange(1, bytes / 8 + 1, at::dtype(at::kLong)) * 0x61C8864680B583EB;
  const at::Tensor there = pattern.to(TorchDevice(device), /*non_blocking=*/false, /*copy=*/true);
  if (!at::equal(there.cpu(), pattern))
    return Wrong(device, "its memory does not keep what is written to it");
  // The inverted bits too, written by the device.
  if (!at::equal(at::bitwise_not(there).cpu(), at::bitwise_not(pattern))) {
    return Wrong(device, "its memory does not keep what it computes");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TestDevice(const Device& device, const SelfTestOptions& options) {
  QL_RETURN_IF_ERROR(CheckDevice(device));
  return CatchTorch(absl::StrCat("the self-test of device ", device.name()), [&]() -> absl::Status {
    const at::NoGradGuard no_gradients;
    QL_RETURN_IF_ERROR(TestProducts(device));
    QL_RETURN_IF_ERROR(TestIntegerProduct(device));
    QL_RETURN_IF_ERROR(TestSums(device));
    return TestMemory(device, options.memory_bytes);
  });
}

}  // namespace quantlab::engine
