// Holds the observers to PyTorch's, ONNX Runtime's and NumPy's (tests/golden/make_observer_golden.py).
#include "worker/engine/calibration/observer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;

// As `normal` in make_observer_golden.py.
double Normal(uint64_t seed, uint64_t index) {
  double sum = 0;
  for (uint64_t i = 12 * index; i < 12 * index + 12; ++i) {
    uint64_t x = ((seed << 32) + i) * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 32;
    sum += static_cast<double>(x >> 40) / 16777216.0;
  }
  return sum - 6.0;
}

// As `values` there.
float Value(const std::string& recipe, int batch, int64_t index) {
  double z = Normal(batch + 1, index) * (1.0 + 0.25 * batch);
  if (recipe == "shifted") z = z * 0.5 + 1.5;
  if (recipe == "heavy_tail") z = z * z * z;
  if (recipe == "outliers" && index % 4999 == 17) z *= 40.0;
  if (recipe == "one_sided") {
    z = 2.0 * z;
    z = z * std::clamp(0.5 + 0.3 * z, 0.0, 1.0);
  }
  if (recipe == "negative") z = -(z * z) - 0.25;
  if (recipe == "magnitude") z = std::abs(z);
  if (recipe == "tiny") z = z * 1e-6;
  if (recipe == "constant") z = 3.25;
  if (recipe == "negative_constant") z = -0.75;
  if (recipe == "zero") z = 0;
  return static_cast<float>(z);
}

at::Tensor Input(const std::string& recipe, int batch, int64_t size) {
  constexpr std::string_view kMirrored = "mirrored_";
  if (recipe.starts_with(kMirrored)) {
    const at::Tensor half = Input(recipe.substr(kMirrored.size()), batch, size);
    return at::cat({half, -half});
  }
  at::Tensor x = at::empty({size});
  for (int64_t i = 0; i < size; ++i) x.data_ptr<float>()[i] = Value(recipe, batch, i);
  return x;
}

std::vector<at::Tensor> Inputs(const std::string& recipe, int batches, int64_t size) {
  std::vector<at::Tensor> inputs;
  for (int b = 0; b < batches; ++b) inputs.push_back(Input(recipe, b, size));
  return inputs;
}

absl::StatusOr<ActivationRange> Observed(const ObserverOptions& options,
                                         const std::vector<at::Tensor>& inputs) {
  const auto observer = MakeObserver(options);
  for (const at::Tensor& x : inputs) observer->Observe(x);
  if (observer->wants_second_pass()) {
    for (const at::Tensor& x : inputs) observer->ObserveAgain(x);
  }
  return observer->Range();
}

// "percentile 99.9": the name, and the number that belongs to it.
ObserverOptions OptionsFromKey(const std::string& key) {
  const size_t space = key.find(' ');
  ObserverOptions options;
  options.kind = ObserverKindFromName(key.substr(0, space)).value();
  if (space == std::string::npos || options.kind == ObserverKind::kHistogramMse) return options;
  (options.kind == ObserverKind::kPercentile ? options.percentile : options.averaging_constant) =
      std::stod(key.substr(space));
  return options;
}

class ObserverGoldenTest : public ::testing::Test {
 protected:
  struct Case {
    std::string name;
    int batches;
    std::vector<at::Tensor> inputs;
    std::map<std::string, std::array<float, 2>> ranges;
    std::optional<std::array<float, 2>> onnxruntime;
    double bin_width;
  };

  static void SetUpTestSuite() {
    std::ifstream file(QUANTLAB_SOURCE_DIR "/tests/golden/observer_golden.json");
    const auto golden = nlohmann::json::parse(file);
    for (const auto& c : golden["cases"]) {
      Case one{c["name"], c["batches"], Inputs(c["recipe"], c["batches"], c["size"]), c["ranges"], {}, 0};
      if (c.contains("onnxruntime")) one.onnxruntime = c["onnxruntime"].get<std::array<float, 2>>();
      uint64_t bits = 0;
      for (const at::Tensor& x : one.inputs) {
        for (int64_t i = 0; i < x.numel(); ++i) bits += std::bit_cast<uint32_t>(x.data_ptr<float>()[i]);
      }
      ASSERT_EQ(bits, c["bits"].get<uint64_t>()) << one.name << ": not the inputs that the script made";
      const auto [min, max] = one.ranges.at("min_max");
      one.bin_width = (static_cast<double>(max) - min) / golden["bins"].get<int>();
      cases_.push_back(std::move(one));
    }
    ASSERT_GE(cases_.size(), 18u);
  }
  static void TearDownTestSuite() { cases_.clear(); }

  // Calls check(case, key, ours, theirs) for each stored range whose key begins with `kind`; both include 0.
  template <typename Check>
  static void ForEach(const std::string& kind, const Check& check) {
    int checked = 0;
    for (const Case& c : cases_) {
      for (const auto& [key, range] : c.ranges) {
        if (!key.starts_with(kind)) continue;
        SCOPED_TRACE(c.name + ", " + key);
        const auto ours = Observed(OptionsFromKey(key), c.inputs);
        ASSERT_TRUE(ours.ok()) << ours.status();
        check(c, key, *ours, {std::min(range[0], 0.0f), std::max(range[1], 0.0f)});
        ++checked;
      }
    }
    EXPECT_GE(checked, 4);
  }

  static std::vector<Case> cases_;
};

std::vector<ObserverGoldenTest::Case> ObserverGoldenTest::cases_;

TEST_F(ObserverGoldenTest, MinMaxAndMovingAverageEqualPyTorchsToTheBit) {
  for (const std::string kind : {"min_max", "moving_average"}) {
    ForEach(kind, [](const Case&, const std::string&, ActivationRange ours, ActivationRange theirs) {
      EXPECT_EQ(ours.min, theirs.min);
      EXPECT_EQ(ours.max, theirs.max);
    });
  }
}

// The search ends at the first minimum, so small differences between histograms can move its end by some
// bins: PyTorch's merged histograms of several inputs are not exact (8 bins in one case). Given the same
// values at once ("at once" in the key), PyTorch's are, and then the ranges are equal.
TEST_F(ObserverGoldenTest, LeastSquaresEqualsPyTorchsForOneInputAndIsNearForSeveral) {
  ForEach("histogram_mse",
          [](const Case& c, const std::string& key, ActivationRange ours, ActivationRange theirs) {
            const bool exact = c.batches == 1 || key.ends_with("at once");
            const double tolerance = exact ? 1e-6 * (theirs.max - theirs.min) : 10.0 * c.bin_width;
            EXPECT_NEAR(ours.min, theirs.min, tolerance);
            EXPECT_NEAR(ours.max, theirs.max, tolerance);
          });
}

TEST_F(ObserverGoldenTest, PercentilesAreNumPysWithinABin) {
  ForEach("percentile", [](const Case& c, const std::string&, ActivationRange ours, ActivationRange theirs) {
    const double tolerance = c.bin_width + 1e-6 * (theirs.max - theirs.min);
    EXPECT_NEAR(ours.min, theirs.min, tolerance);
    EXPECT_NEAR(ours.max, theirs.max, tolerance);
  });
}

// NVIDIA's calibrator knows symmetric and unsigned values only: there the definitions coincide, except that
// its range never ends in an empty bin.
TEST_F(ObserverGoldenTest, LeastDivergenceEqualsNvidiasWhereThatIsDefined) {
  ForEach("histogram_entropy",
          [](const Case& c, const std::string&, ActivationRange ours, ActivationRange theirs) {
            const double bin_of_magnitudes = c.ranges.at("min_max")[1] / 2048.0;
            const double tolerance = c.name == "mirrored_normal" ? 4 * bin_of_magnitudes : 1e-6 * theirs.max;
            EXPECT_NEAR(ours.min, theirs.min, tolerance);
            EXPECT_NEAR(ours.max, theirs.max, tolerance);
          });
}

// ONNX Runtime's search has always a symmetric range, gives the bins that remain after an integer division
// to the last level, rounds the quantized distribution to integers and keeps the bins at 0. So it ends
// elsewhere: our ranges have 0.44 to 1.31 times the length of its here.
TEST_F(ObserverGoldenTest, LeastDivergenceIsOfTheSizeOfOnnxRuntimes) {
  int checked = 0;
  for (const Case& c : cases_) {
    if (!c.onnxruntime) continue;
    const auto ours = Observed(OptionsFromKey("histogram_entropy"), c.inputs);
    ASSERT_TRUE(ours.ok()) << ours.status();
    const double theirs = std::max((*c.onnxruntime)[1], 0.0f) - std::min((*c.onnxruntime)[0], 0.0f);
    const double ratio = (ours->max - ours->min) / theirs;
    EXPECT_THAT(ratio, ::testing::AllOf(::testing::Gt(0.4), ::testing::Lt(1.35))) << c.name;
    ++checked;
  }
  EXPECT_GE(checked, 14);
}

at::Tensor Random(at::IntArrayRef shape) {
  return at::randn(shape) * 3 + 0.5;
}

const std::vector<std::string> kAllKinds = {"min_max", "moving_average", "histogram_mse", "histogram_entropy",
                                            "percentile"};

TEST(ObserverTest, EveryKindHasItsName) {
  for (const std::string& name : kAllKinds) EXPECT_TRUE(ObserverKindFromName(name).ok()) << name;
  const absl::Status status = ObserverKindFromName("median").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("\"median\"; there are min_max, moving_average, hist"));
}

TEST(ObserverTest, ThreadsShapesAndOrderChangeNothing) {
  const int threads = at::get_num_threads();
  const at::Tensor a = Random({700, 256}), b = Random({3, 100, 256}) * 1.5;
  for (const std::string& name : kAllKinds) {
    if (name == "moving_average") continue;  // depends on the order by definition
    at::set_num_threads(1);
    const auto one = Observed(OptionsFromKey(name), {a, b}).value();
    at::set_num_threads(2);
    const at::Tensor strided = at::cat({a, a}, 1).slice(1, 0, 256);
    const auto two = Observed(OptionsFromKey(name), {b.flatten(), at::empty({0, 4}), strided}).value();
    EXPECT_EQ(one.min, two.min) << name;
    EXPECT_EQ(one.max, two.max) << name;
  }
  at::set_num_threads(threads);
}

TEST(ObserverTest, OtherFloatingTypesAreComputedInFloat) {
  const at::Tensor x = Random({50, 40});
  for (const std::string& name : kAllKinds) {
    for (const at::ScalarType type : {at::kBFloat16, at::kHalf, at::kDouble}) {
      const at::Tensor other = x.to(type);
      const auto ours = Observed(OptionsFromKey(name), {other}).value();
      const auto floats = Observed(OptionsFromKey(name), {other.to(at::kFloat)}).value();
      EXPECT_EQ(ours.min, floats.min) << name;
      EXPECT_EQ(ours.max, floats.max) << name;
    }
  }
}

TEST(ObserverTest, EveryRangeIncludesZeroAndStaysWithinTheValues) {
  for (const std::string& name : kAllKinds) {
    const auto above = Observed(OptionsFromKey(name), {at::rand({3000}) + 4}).value();
    EXPECT_EQ(above.min, 0) << name;
    EXPECT_THAT(above.max, ::testing::AllOf(::testing::Gt(4.0f), ::testing::Le(5.0f))) << name;
    const auto below = Observed(OptionsFromKey(name), {-at::rand({3000}) - 4}).value();
    EXPECT_THAT(below.min, ::testing::AllOf(::testing::Lt(-4.0f), ::testing::Ge(-5.0f))) << name;
    EXPECT_EQ(below.max, 0) << name;
  }
}

TEST(ObserverTest, NothingObservedIsSaid) {
  for (const std::string& name : kAllKinds) {
    const absl::Status status = Observed(OptionsFromKey(name), {at::empty({0, 8})}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("no values"));
  }
}

TEST(ObserverTest, ASecondPassThatSawOtherValuesIsSaid) {
  for (const std::string& name : kAllKinds) {
    const auto observer = MakeObserver(OptionsFromKey(name));
    observer->Observe(Random({40}));
    if (!observer->wants_second_pass()) continue;
    observer->ObserveAgain(Random({39}));
    const absl::Status status = observer->Range().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("40 values in the first pass and 39 in the second"));
  }
}

TEST(ObserverTest, BrokenValuesAreRefused) {
  for (const std::string& name : kAllKinds) {
    for (const double broken : {std::numeric_limits<double>::infinity(), std::nan("")}) {
      at::Tensor x = Random({40});
      x[7] = broken;
      const auto range = Observed(OptionsFromKey(name), {Random({40}), x, Random({40})});
      EXPECT_EQ(range.status().code(), absl::StatusCode::kInvalidArgument) << name;
    }
  }
}

TEST(ObserverTest, OptionsOutOfTheirRangesAreRefused) {
  const auto message = [](const ObserverOptions& options) {
    return std::string(Observed(options, {at::ones({4})}).status().message());
  };
  EXPECT_THAT(message({.bins = 255}), HasSubstr("256 to 1048576 bins, not 255"));
  EXPECT_THAT(message({.percentile = 50}), HasSubstr("above 50 and at most 100, not 50"));
  EXPECT_THAT(message({.averaging_constant = 0}), HasSubstr("above 0 and at most 1, not 0"));
  EXPECT_THAT(message({.percentile = std::nan("")}), HasSubstr("not nan"));
}

TEST(ValueHistogramTest, CountsAsTorchHistcAndByAtenTheSame) {
  const at::Tensor x = at::cat({Random({300000}), at::zeros({1000})});
  const float low = x.min().item<float>(), high = x.max().item<float>();
  for (const int64_t bins : {256, 1000, 2048}) {
    ValueHistogram loop(low, high, bins), aten(low, high, bins);
    loop.Add(x);
    aten.AddByAten(x);
    const at::Tensor theirs = at::histc(x, bins, low, high).to(at::kLong);
    EXPECT_TRUE(at::equal(at::tensor(loop.counts), theirs)) << bins;
    EXPECT_EQ(loop.counts, aten.counts) << bins;
    EXPECT_EQ(loop.total, x.numel());
    EXPECT_EQ(aten.total, x.numel());
  }
}

TEST(ValueHistogramTest, WhatIsOutsideCountsInTheOuterBins) {
  for (const bool by_aten : {false, true}) {
    ValueHistogram histogram(-1, 1, 4);
    const at::Tensor x = at::tensor({-1e30f, -1.5f, -0.9f, 0.1f, 1.0f, 1e38f});
    by_aten ? histogram.AddByAten(x) : histogram.Add(x);
    EXPECT_THAT(histogram.counts, ::testing::ElementsAre(3, 0, 1, 2)) << by_aten;
  }
}

TEST(ValueHistogramTest, OneOutlierDoesNotTakeTheLevelsFromTheRestByDivergence) {
  const at::Tensor x = at::cat({at::randn({20000}).clamp(-3, 3), at::full({1}, 100.0)});
  const auto range = Observed({.kind = ObserverKind::kHistogramEntropy}, {x}).value();
  EXPECT_LE(range.max, 20);
  EXPECT_GE(range.max, 3);
}

}  // namespace
}  // namespace quantlab::engine
