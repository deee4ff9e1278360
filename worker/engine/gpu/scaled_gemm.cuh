// The CUTLASS kernel behind scaled_gemm.h. Each instantiation takes a minute to compile, so each has a file
// of its own, made by CMakeLists.txt from scaled_gemm.cu.in.
#ifndef QUANTLAB_WORKER_ENGINE_GPU_SCALED_GEMM_CUH_
#define QUANTLAB_WORKER_ENGINE_GPU_SCALED_GEMM_CUH_

#include <cute/tensor.hpp>
#include <cutlass/cutlass.h>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/operations.hpp>
#include <cutlass/epilogue/thread/activation.h>
#include <cutlass/functional.h>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>
#include <cutlass/numeric_types.h>
#include <cutlass/util/packed_stride.hpp>

#include "worker/engine/gpu/scaled_gemm.h"

namespace quantlab::engine::gpu {

template <class Element>
struct Arithmetic;

template <>
struct Arithmetic<int8_t> {
  using Accumulator = int32_t;
  using Pingpong = cutlass::gemm::KernelTmaWarpSpecializedPingpong;
  using Cooperative = cutlass::gemm::KernelTmaWarpSpecializedCooperative;
  static constexpr bool kShifted = true;
};

// Fast accumulation: the tensor core's own sums, of about 14 bits, are not moved to FP32 registers every few
// steps. Its error is far below that of E4M3's 3 bits of mantissa.
template <>
struct Arithmetic<cutlass::float_e4m3_t> {
  using Accumulator = float;
  using Pingpong = cutlass::gemm::KernelTmaWarpSpecializedPingpongFP8FastAccum;
  using Cooperative = cutlass::gemm::KernelTmaWarpSpecializedCooperativeFP8FastAccum;
  static constexpr bool kShifted = false;
};

template <class Element, GemmTile tile>
struct Tiling;

template <class Element>
struct Tiling<Element, GemmTile::kSmall> {
  using Shape = cute::Shape<cute::_64, cute::_64, cute::_128>;
  using Cluster = cute::Shape<cute::_1, cute::_1, cute::_1>;
  using Mainloop = typename Arithmetic<Element>::Pingpong;
  using Epilogue = cutlass::epilogue::TmaWarpSpecialized;
};

template <class Element>
struct Tiling<Element, GemmTile::kMedium> {
  using Shape = cute::Shape<cute::_128, cute::_128, cute::_128>;
  using Cluster = cute::Shape<cute::_2, cute::_1, cute::_1>;
  using Mainloop = typename Arithmetic<Element>::Pingpong;
  using Epilogue = cutlass::epilogue::TmaWarpSpecialized;
};

template <class Element>
struct Tiling<Element, GemmTile::kLarge> {
  using Shape = cute::Shape<cute::_128, cute::_256, cute::_128>;
  using Cluster = cute::Shape<cute::_2, cute::_1, cute::_1>;
  using Mainloop = typename Arithmetic<Element>::Cooperative;
  using Epilogue = cutlass::epilogue::TmaWarpSpecializedCooperative;
};

// What is done to each sum, as a tree of CUTLASS's visitors.
template <class Element, class TileShape, bool gelu>
struct Finish {
  static constexpr auto kRound = cutlass::FloatRoundStyle::round_to_nearest;
  template <template <class> class Function, class Out, class... Inputs>
  using Apply = cutlass::epilogue::fusion::Sm90EVT<
      cutlass::epilogue::fusion::Sm90Compute<Function, Out, float, kRound>, Inputs...>;
  using PerRow = cutlass::epilogue::fusion::Sm90ColBroadcast<0, TileShape, float, float,
                                                             cute::Stride<cute::_1, cute::_0, cute::_0>>;
  using PerColumn = cutlass::epilogue::fusion::Sm90RowBroadcast<0, TileShape, float, float,
                                                                cute::Stride<cute::_0, cute::_1, cute::_0>>;
  using Sum = cutlass::epilogue::fusion::Sm90AccFetch;

  using Scaled = Apply<cutlass::multiplies, float, PerColumn, Sum>;
  using Shifted = Apply<cutlass::homogeneous_multiply_add, float, PerRow, PerColumn, Scaled>;
  using Inner = std::conditional_t<Arithmetic<Element>::kShifted, Shifted, Scaled>;
  using Out = std::conditional_t<gelu, float, cutlass::half_t>;
  using Linear = Apply<cutlass::homogeneous_multiply_add, Out, PerRow, Inner, PerColumn>;
  using Gelu = Apply<cutlass::epilogue::thread::GELU, cutlass::half_t, Linear>;
  using Tree = std::conditional_t<gelu, Gelu, Linear>;

  static typename Tree::Arguments Arguments(const ScaledGemmArgs& args) {
    typename PerRow::Arguments row_scale{args.row_scale, 0.0f, {}}, row_shift{args.row_shift, 0.0f, {}};
    typename PerColumn::Arguments column_scale{args.column_scale, 0.0f, {}}, bias{args.bias, 0.0f, {}},
        column_sum{args.column_sum, 0.0f, {}};
    typename Scaled::Arguments scaled{column_scale, {}, {}};
    typename Linear::Arguments linear = [&] {
      if constexpr (Arithmetic<Element>::kShifted) {
        typename Shifted::Arguments shifted{row_shift, column_sum, scaled, {}};
        return typename Linear::Arguments{row_scale, shifted, bias, {}};
      } else {
        return typename Linear::Arguments{row_scale, scaled, bias, {}};
      }
    }();
    if constexpr (gelu) {
      return typename Tree::Arguments{linear, {}};
    } else {
      return linear;
    }
  }
};

template <class Element, GemmTile tile, bool gelu>
struct ScaledGemmImpl {
  using Tile = Tiling<Element, tile>;
  using Accumulator = typename Arithmetic<Element>::Accumulator;
  using Out = cutlass::half_t;
  using RowMajor = cutlass::layout::RowMajor;
  using ColumnMajor = cutlass::layout::ColumnMajor;
  using Tail = Finish<Element, typename Tile::Shape, gelu>;
  static constexpr int kAlign = 16 / sizeof(Element), kOutAlign = 16 / sizeof(Out);

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, typename Tile::Shape, typename Tile::Cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, Accumulator, float, void, RowMajor, kOutAlign, Out,
      RowMajor, kOutAlign, typename Tile::Epilogue, typename Tail::Tree>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Element, RowMajor, kAlign, Element, ColumnMajor,
      kAlign, Accumulator, typename Tile::Shape, typename Tile::Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      typename Tile::Mainloop>::CollectiveOp;
  using Kernel = cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, Mainloop, Epilogue>;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Kernel>;

  static typename Gemm::Arguments Arguments(const ScaledGemmArgs& args) {
    const auto stride_a = cutlass::make_cute_packed_stride(typename Kernel::StrideA{}, {args.m, args.k, 1});
    const auto stride_b = cutlass::make_cute_packed_stride(typename Kernel::StrideB{}, {args.n, args.k, 1});
    const auto stride_d = cutlass::make_cute_packed_stride(typename Kernel::StrideD{}, {args.m, args.n, 1});
    return {cutlass::gemm::GemmUniversalMode::kGemm,
            {args.m, args.n, args.k, 1},
            {static_cast<const Element*>(args.a), stride_a, static_cast<const Element*>(args.b), stride_b},
            {Tail::Arguments(args), nullptr, {}, static_cast<Out*>(args.out), stride_d}};
  }

  static std::size_t Workspace(const ScaledGemmArgs& args) {
    return Gemm::get_workspace_size(Arguments(args));
  }

  static const char* Run(const ScaledGemmArgs& args) {
    const auto arguments = Arguments(args);
    cutlass::Status status = Gemm::can_implement(arguments);
    if (status != cutlass::Status::kSuccess) return cutlass::cutlassGetStatusString(status);
    Gemm gemm;
    status = gemm.run(arguments, args.workspace, static_cast<cudaStream_t>(args.stream));
    return status == cutlass::Status::kSuccess ? nullptr : cutlass::cutlassGetStatusString(status);
  }
};

}  // namespace quantlab::engine::gpu

#endif  // QUANTLAB_WORKER_ENGINE_GPU_SCALED_GEMM_CUH_
