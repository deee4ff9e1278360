#include "worker/engine/calibration/gptq.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

absl::Status CheckHessian(const at::Tensor& hessian, int64_t in) {
  if (hessian.dim() != 2 || hessian.size(0) != in || hessian.size(1) != in) {
    return absl::InvalidArgumentError(
        absl::StrCat("the Hessian of a layer of ", in, " inputs must be [", in, ", ", in, "]"));
  }
  if (!at::isfinite(hessian).all().item<bool>()) {
    return absl::InvalidArgumentError("a calibration input holds a NaN or an infinity");
  }
  return absl::OkStatus();
}

// Upper triangular U with U^T U = H^-1. From H = R R^T, R upper triangular (the Cholesky factor of H read
// backwards), U is R's inverse: more accurate than to invert H and factor that.
absl::StatusOr<at::Tensor> FactorOfInverse(const at::Tensor& hessian) {
  const auto [lower, info] = at::linalg_cholesky_ex(hessian.flip({0, 1}));
  if (info.item<int64_t>() != 0) {
    return absl::FailedPreconditionError(
        "the Hessian of the calibration inputs is not positive definite; raise damping or calibration_texts");
  }
  const at::Tensor upper = lower.flip({0, 1}).contiguous();
  return at::linalg_solve_triangular(upper, at::eye(upper.size(0), upper.options()), /*upper=*/true);
}

// The state of one layer: everything transposed, so that an input's weights are contiguous.
class Solver {
 public:
  Solver(const at::Tensor& weight, const GptqOptions& options)
      : options_(options),
        left_(weight.detach().to(at::kCPU, at::kDouble).t().contiguous().clone()),
        in_(left_.size(0)),
        group_(options.grid.group_size == 0 ? in_ : std::min(options.grid.group_size, in_)),
        integers_(at::empty_like(left_)),
        grids_((in_ + group_ - 1) / group_) {}

  absl::StatusOr<GridWeights> Run(const at::Tensor& given) {
    at::Tensor hessian = given.to(at::kCPU, at::kDouble).clone();
    at::Tensor diagonal = hessian.diagonal();
    diagonal.masked_fill_(diagonal == 0, 1);
    order_ = at::arange(in_, at::kLong);
    if (options_.activation_order) Sort(hessian);
    diagonal = hessian.diagonal();
    diagonal.add_(options_.damping * diagonal.mean());
    QL_ASSIGN_OR_RETURN(factor_, FactorOfInverse(hessian));
    // A group never straddles blocks: its weights are up to date when its grid is found.
    const int64_t block = std::max(group_, options_.block / group_ * group_);
    for (int64_t begin = 0; begin < in_; begin += block) RoundBlock(begin, std::min(in_, begin + block));
    return Result();
  }

 private:
  void Sort(at::Tensor& hessian) {
    for (int64_t g = 0; g < static_cast<int64_t>(grids_.size()); ++g) FindGroupGrid(g);
    order_ = std::get<1>(hessian.diagonal().sort(/*stable=*/true, 0, /*descending=*/true));
    hessian = hessian.index_select(0, order_).index_select(1, order_).contiguous();
    left_ = left_.index_select(0, order_).contiguous();
  }

  void FindGroupGrid(int64_t g) {
    grids_[g] = FindGrid(left_.slice(0, g * group_, std::min(in_, (g + 1) * group_)), options_.grid);
  }

  void RoundBlock(int64_t begin, int64_t end) {
    const at::Tensor errors = at::empty({end - begin, left_.size(1)}, left_.options());
    const int64_t* order = order_.data_ptr<int64_t>();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t g = order[i] / group_;
      if (!grids_[g]) FindGroupGrid(g);
      const at::Tensor weights = left_[i];
      at::Tensor rounded = integers_[i];
      rounded.copy_(RoundToGrid(weights, *grids_[g], options_.grid));
      at::Tensor error = errors[i - begin];
      error.copy_((weights - FromGrid(rounded, *grids_[g])) / factor_[i][i]);
      // Also to this one, which is not read again.
      left_.slice(0, i, end).addr_(factor_[i].slice(0, i, end), error, 1, -1);
    }
    if (end < in_) left_.slice(0, end).addmm_(factor_.slice(0, begin, end).slice(1, end).t(), errors, 1, -1);
  }

  GridWeights Result() const {
    std::vector<at::Tensor> scales, zeros;
    for (const std::optional<Grid>& grid : grids_) {
      scales.push_back(grid->scale);
      zeros.push_back(grid->zero_point);
    }
    const at::Tensor integers = at::empty_like(integers_).index_copy_(0, order_, integers_);
    GridWeights weights{integers.t().to(at::kChar).contiguous(), at::stack(scales, 1).to(at::kFloat), {}};
    if (!options_.grid.symmetric) weights.zero_point = at::stack(zeros, 1).to(at::kChar);
    return weights;
  }

  const GptqOptions options_;
  at::Tensor left_;  // [in, out] weights, compensated for the errors so far; in the order of rounding
  const int64_t in_, group_;
  at::Tensor integers_;                     // [in, out], in the order of rounding
  std::vector<std::optional<Grid>> grids_;  // of the groups, in the order of the file
  at::Tensor order_;                        // [in] long: which input is rounded when
  at::Tensor factor_;                       // [in, in] upper triangular, in the order of rounding
};

}  // namespace

void Hessian::Add(const at::Tensor& x) {
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)}).to(at::kFloat);
  if (!sum_.defined()) sum_ = at::zeros({rows.size(1), rows.size(1)}, rows.options());
  sum_.addmm_(rows.t(), rows);
  rows_ += rows.size(0);
}

at::Tensor Hessian::Matrix() const {
  if (rows_ == 0) return {};
  return sum_.to(at::kCPU, at::kDouble) * (2.0 / static_cast<double>(rows_));
}

absl::StatusOr<GridWeights> Gptq(const at::Tensor& weight, const at::Tensor& hessian,
                                 const GptqOptions& options) {
  QL_RETURN_IF_ERROR(CheckFiniteWeight(weight));
  QL_RETURN_IF_ERROR(CheckHessian(hessian, weight.size(1)));
  return Solver(weight, options).Run(hessian);
}

double OutputError(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& hessian) {
  const at::Tensor error =
      weight.detach().to(at::kCPU, at::kDouble) - quantized.detach().to(at::kCPU, at::kDouble);
  return at::mm(error, hessian).mul_(error).sum().item<double>() / 2;
}

}  // namespace quantlab::engine
