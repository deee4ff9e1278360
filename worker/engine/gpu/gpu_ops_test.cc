// The GPU's kernels against ATen's arithmetic. Skipped where there is no GPU or no kernels were built.
#include "worker/engine/gpu/gpu_ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "worker/engine/gpu/graph_cache.h"

namespace quantlab::engine::gpu {
namespace {

const at::Device kGpu("cuda:0");

#define QL_REQUIRE_GPU(reason)             \
  if (!at::hasCUDA() || !(reason).empty()) \
  GTEST_SKIP() << "no GPU kernels here: " << (at::hasCUDA() ? (reason) : "no CUDA")

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).norm().item<double>() /
         b.to(at::kDouble).norm().item<double>();
}

at::Tensor Random(at::IntArrayRef shape, at::ScalarType dtype = at::kHalf) {
  return at::randn(shape, at::TensorOptions(at::kFloat).device(kGpu)).to(dtype);
}

TEST(GpuOpsTest, SayWhyThereAreNone) {
  EXPECT_NE(WhyNotRowKernels(at::kCPU, 64), "");
  EXPECT_NE(WhyNotScaledProduct(at::kCPU, 64, 64), "");
  EXPECT_NE(WhyNotFp8(at::kCPU), "");
}

TEST(GpuOpsTest, LayerNormIsThatOfTheSum) {
  QL_REQUIRE_GPU(WhyNotRowKernels(kGpu, 8));
  for (const int64_t width : {8, 40, 384, 768, 1024, 3072}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const at::Tensor x = Random({37, width}, dtype), residual = Random({37, width}, dtype);
      const at::Tensor weight = Random({width}, at::kFloat), bias = Random({width}, at::kFloat);
      const at::Tensor expected = at::layer_norm((x.to(at::kDouble) + residual.to(at::kDouble)), {width},
                                                 weight.to(at::kDouble), bias.to(at::kDouble), 1e-12);
      const double allowed = dtype == at::kFloat ? 1e-6 : dtype == at::kHalf ? 1e-3 : 5e-3;
      EXPECT_LT(Distance(LayerNorm(x, residual, weight, bias, 1e-12), expected), allowed) << width;
    }
  }
}

TEST(GpuOpsTest, EmbeddingsAreSummedAndNormalized) {
  QL_REQUIRE_GPU(WhyNotRowKernels(kGpu, 8));
  const int64_t width = 96;
  const at::Tensor word = Random({50, width}, at::kFloat), type = Random({2, width}, at::kFloat);
  const at::Tensor position = Random({20, width}, at::kFloat);
  const at::TensorOptions longs = at::TensorOptions(at::kLong).device(kGpu);
  const at::Tensor ids = at::randint(50, {33}, longs), types = at::randint(2, {33}, longs);
  const at::Tensor positions = at::randint(20, {33}, longs);
  const at::Tensor weight = Random({width}, at::kFloat), bias = Random({width}, at::kFloat);
  const at::Tensor sum =
      word.index_select(0, ids) + type.index_select(0, types) + position.index_select(0, positions);
  const at::Tensor expected = at::layer_norm(sum, {width}, weight, bias, 1e-12);
  EXPECT_LT(
      Distance(Embed(word, type, position, ids, types, positions, weight, bias, 1e-12, at::kHalf), expected),
      1e-3);
}

TEST(GpuOpsTest, RowsKeepTheirValuesAsBytes) {
  QL_REQUIRE_GPU(WhyNotRowKernels(kGpu, 8));
  for (const int64_t width : {16, 384, 3072}) {
    const at::Tensor x = Random({19, width});
    const QuantizedRows rows = QuantizeRows(x, {});
    const at::Tensor back = (rows.bytes.to(at::kFloat) + rows.shift.unsqueeze(1)) * rows.scale.unsqueeze(1);
    EXPECT_LE((back - x.to(at::kFloat)).abs().max().item<float>(), 0.51 * rows.scale.max().item<float>());
    QuantizeOptions fp8;
    fp8.fp8 = true;
    const QuantizedRows floats = QuantizeRows(x, fp8);
    EXPECT_LT(Distance(floats.bytes.to(at::kFloat) * floats.scale.unsqueeze(1), x), 0.04);
  }
}

TEST(GpuOpsTest, ARowWithoutANumberSpoilsOnlyItself) {
  QL_REQUIRE_GPU(WhyNotScaledProduct(kGpu, 64, 32));
  at::Tensor x = Random({5, 64});
  x[2][7] = std::numeric_limits<float>::quiet_NaN();
  x[3][0] = std::numeric_limits<float>::infinity();
  const QuantizedRows w = QuantizeRows(Random({32, 64}), {.fp8 = true});
  const at::Tensor y = ScaledProduct(QuantizeRows(x, {.fp8 = true}), {w.bytes, w.scale, {}, {}}, false);
  EXPECT_TRUE(at::isnan(y.slice(0, 2, 4)).all().item<bool>());
  EXPECT_TRUE(at::isfinite(y.slice(0, 0, 2)).all().item<bool>());
}

TEST(GpuOpsTest, ProductsAreTheScaledSums) {
  QL_REQUIRE_GPU(WhyNotScaledProduct(kGpu, 64, 32));
  for (const bool fp8 : {false, true}) {
    for (const int64_t rows : {1, 100, 513}) {
      const int64_t in = 192, out = 328;
      const QuantizedRows x = QuantizeRows(Random({rows, in}), {.fp8 = fp8});
      const QuantizedRows w = QuantizeRows(Random({out, in}), {.fp8 = fp8});
      const at::Tensor bias = Random({out}, at::kFloat), values = w.bytes.to(at::kDouble);
      const at::Tensor sums = fp8 ? at::Tensor() : values.sum(1).to(at::kFloat) * w.scale;
      at::Tensor bytes = x.bytes.to(at::kDouble);
      if (!fp8) bytes = bytes + x.shift.unsqueeze(1);
      const at::Tensor linear = at::mm(bytes, values.t()) * x.scale.unsqueeze(1) * w.scale + bias;
      for (const bool gelu : {false, true}) {
        const at::Tensor expected = gelu ? at::gelu(linear) : linear;
        for (int tile = -1; tile < 3; ++tile) {
          const at::Tensor y = ScaledProduct(x, {w.bytes, w.scale, sums, bias}, gelu, tile);
          EXPECT_LT(Distance(y, expected), 1e-3) << "fp8 " << fp8 << " rows " << rows << " tile " << tile;
        }
      }
    }
  }
}

TEST(GraphCacheTest, AnswersForNewContentsAndForgetsTheOldest) {
  QL_REQUIRE_GPU(WhyNotRowKernels(kGpu, 8));
  GraphCache cache(2);
  int calls = 0;
  const auto twice = [&](const std::vector<at::Tensor>& in) {
    ++calls;
    return in[0] * 2;
  };
  for (int i = 0; i < 6; ++i) {
    const at::Tensor x = at::full({4}, i, at::TensorOptions(at::kFloat).device(kGpu));
    EXPECT_EQ(cache.Run({1}, {x}, twice).sum().item<float>(), 8.0f * static_cast<float>(i));
  }
  EXPECT_EQ(cache.size(), 1);
  EXPECT_EQ(calls, 4);  // twice as it is, once before the capture and once in it
  for (int64_t size = 5; size < 8; ++size) {
    for (int i = 0; i < 4; ++i) {
      const at::Tensor x = at::ones({size}, at::TensorOptions(at::kFloat).device(kGpu));
      EXPECT_EQ(cache.Run({1}, {x}, twice).sum().item<float>(), 2.0f * static_cast<float>(size));
    }
  }
  EXPECT_EQ(cache.size(), 2);
  cache.Clear();
  EXPECT_EQ(cache.size(), 0);
}

}  // namespace
}  // namespace quantlab::engine::gpu
