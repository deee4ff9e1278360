#include "worker/engine/gpu/scaled_gemm.h"

namespace quantlab::engine::gpu {

// Each in a file of its own (scaled_gemm.cu.in).
#define QUANTLAB_DECLARE(element)                                           \
  ScaledGemmKernel element##_kSmall_true();                                 \
  ScaledGemmKernel element##_kSmall_false();                                \
  ScaledGemmKernel element##_kMedium_true();                                \
  ScaledGemmKernel element##_kMedium_false();                               \
  ScaledGemmKernel element##_kLarge_true();                                 \
  ScaledGemmKernel element##_kLarge_false();                                \
                                                                            \
  ScaledGemmKernel element##Gemm(GemmTile tile, bool gelu) {                \
    switch (tile) {                                                         \
      case GemmTile::kSmall:                                                \
        return gelu ? element##_kSmall_true() : element##_kSmall_false();   \
      case GemmTile::kMedium:                                               \
        return gelu ? element##_kMedium_true() : element##_kMedium_false(); \
      case GemmTile::kLarge:                                                \
        break;                                                              \
    }                                                                       \
    return gelu ? element##_kLarge_true() : element##_kLarge_false();       \
  }

QUANTLAB_DECLARE(Int8)
QUANTLAB_DECLARE(Fp8)

}  // namespace quantlab::engine::gpu
