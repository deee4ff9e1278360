#include "worker/runner/comparison/kernel_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::runner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(KernelAuditTest, FindsReferenceImplementationsOnce) {
  const std::vector<std::string> lines = {
      "onednn_verbose,v1,info,oneDNN v3.12.0 (commit 80afa71)",
      "onednn_verbose,v1,primitive,exec,cpu,matmul,ref_int8:any,undef,src:s8::blocked:ab::f0,,,64x384:"
      "384x384,5",
      "onednn_verbose,v1,primitive,exec,cpu,matmul,ref_int8:any,undef,src:s8::blocked:ab::f0,,,64x384:"
      "384x384,5",
      "onednn_verbose,1700000000.5,primitive,exec,cpu,inner_product,gemm:ref,forward_inference,,,,mb1,2"};
  EXPECT_THAT(ReferencePrimitives(lines), ElementsAre("matmul by ref_int8:any", "inner_product by gemm:ref"));
}

TEST(KernelAuditTest, FastKernelsAndReordersPass) {
  const std::vector<std::string> lines = {
      "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx512_core_bf16,undef,src:bf16,,,64x384,98.5",
      "onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_s8::blocked:ab:f0,,,64x384:384x384,140.4",
      "onednn_verbose,v1,primitive,exec,cpu,reorder,ref:any,undef,src:f32,,,8x8,1", "onednn_verbose,v1,exec"};
  EXPECT_THAT(ReferencePrimitives(lines), IsEmpty());
}

TEST(KernelAuditTest, SplitsWhatAProcessPrinted) {
  const VerboseOutput split = SplitVerbose("onednn_verbose,v1,info\n{\"version\":1}\nonednn_verbose,v1,x\n");
  EXPECT_THAT(split.onednn, ElementsAre("onednn_verbose,v1,info", "onednn_verbose,v1,x"));
  EXPECT_EQ(split.rest, "{\"version\":1}\n\n");
}

}  // namespace
}  // namespace quantlab::runner
