#include "worker/engine/layers/int4_packing.h"

#include <ATen/ATen.h>

namespace quantlab::engine {

at::Tensor PackInt4(const at::Tensor& q) {
  TORCH_CHECK(q.dim() == 2 && q.scalar_type() == at::kChar,
              "4-bit values are packed from int8 [rows, cols], not ", q.scalar_type(), " ", q.sizes());
  TORCH_CHECK(q.numel() == 0 || (q.min().item<int8_t>() >= kInt4Min && q.max().item<int8_t>() <= kInt4Max),
              "a value does not fit into 4 bits (-8 to 7)");
  const int64_t cols = q.size(1);
  // Two's complement of four bits is what the low half of eight bits holds.
  const at::Tensor nibbles =
      at::constant_pad_nd(q, {0, cols % 2}).bitwise_and(0x0F).to(at::kByte).reshape({q.size(0), -1, 2});
  return nibbles.select(2, 1).mul(16).add(nibbles.select(2, 0)).contiguous();
}

at::Tensor UnpackInt4(const at::Tensor& packed, int64_t cols) {
  TORCH_CHECK(packed.dim() == 2 && packed.scalar_type() == at::kByte && packed.size(1) == (cols + 1) / 2,
              "rows of ", cols, " 4-bit values are uint8 [rows, ", (cols + 1) / 2, "], not ",
              packed.scalar_type(), " ", packed.sizes());
  const at::Tensor low = packed.bitwise_and(0x0F), high = packed.bitwise_right_shift(4);
  const at::Tensor nibbles = at::stack({low, high}, 2).reshape({packed.size(0), -1}).to(at::kChar);
  return at::where(nibbles > kInt4Max, nibbles - 16, nibbles).slice(1, 0, cols).contiguous();
}

}  // namespace quantlab::engine
