#include "worker/runner/comparison/timing_json.h"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::runner {
namespace {

using Json = nlohmann::json;

// The twin of the reference and the other FP32 path.
constexpr size_t kTrialModels = 3;

Json ToJson(const std::vector<engine::BenchSample>& samples) {
  Json json = Json::array();
  for (const engine::BenchSample& sample : samples) {
    json.push_back({sample.block, sample.position, sample.model, sample.start, sample.seconds});
  }
  return json;
}

absl::Status Malformed(const std::string& what) {
  return absl::InternalError(absl::StrCat("measure-times printed no valid report: ", what));
}

absl::StatusOr<double> NumberOf(const Json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_number()) return Malformed(absl::StrCat("no number ", key));
  return it->get<double>();
}

absl::StatusOr<std::string> TextOf(const Json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_string()) return Malformed(absl::StrCat("no text ", key));
  return it->get<std::string>();
}

absl::StatusOr<engine::BenchSample> SampleFrom(const Json& json, size_t models) {
  if (!json.is_array() || json.size() != 5) return Malformed("a sample must have five numbers");
  for (const Json& field : json) {
    if (!field.is_number()) return Malformed("a sample must have five numbers");
  }
  for (size_t i = 0; i < 3; ++i) {
    if (!json[i].is_number_unsigned()) return Malformed("block, position and model must be whole numbers");
  }
  const engine::BenchSample sample{json[0].get<int64_t>(), json[1].get<int64_t>(), json[2].get<int64_t>(),
                                   json[3].get<double>(), json[4].get<double>()};
  if (sample.model >= static_cast<int64_t>(models)) return Malformed("a sample is of no model");
  if (!(sample.seconds > 0)) return Malformed("a sample must take time");
  return sample;
}

// Every model once in every block, but for those that failed.
absl::StatusOr<std::vector<engine::BenchSample>> SamplesFrom(
    const Json& json, const char* key, size_t models, const std::map<int64_t, std::string>& failed = {}) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_array()) return Malformed(absl::StrCat("no list ", key));
  std::vector<engine::BenchSample> samples;
  std::vector<size_t> counts(models);
  for (const Json& entry : *it) {
    QL_ASSIGN_OR_RETURN(samples.emplace_back(), SampleFrom(entry, models));
    ++counts[samples.back().model];
  }
  for (size_t m = 0; m < models; ++m) {
    const size_t expected = failed.count(static_cast<int64_t>(m)) > 0 ? 0 : counts[0];
    if (counts[m] != expected) return Malformed(absl::StrCat(key, ": a block lacks a model"));
  }
  return samples;
}

// The reference and its twin cannot fail alone.
absl::StatusOr<std::map<int64_t, std::string>> FailedFrom(const Json& json, size_t models) {
  const auto it = json.find("failed");
  if (it == json.end() || !it->is_array()) return Malformed("no list failed");
  std::map<int64_t, std::string> failed;
  for (const Json& entry : *it) {
    const bool pair =
        entry.is_array() && entry.size() == 2 && entry[0].is_number_unsigned() && entry[1].is_string();
    if (!pair || entry[0] < 2 || entry[0] >= models) return Malformed("no model and reason in failed");
    failed[entry[0].get<int64_t>()] = entry[1].get<std::string>();
  }
  return failed;
}

absl::StatusOr<engine::MachineUse> UseFrom(const Json& json) {
  const auto it = json.find("use");
  if (it == json.end() || !it->is_object()) return Malformed("no use");
  engine::MachineUse use;
  QL_ASSIGN_OR_RETURN(use.seconds, NumberOf(*it, "seconds"));
  QL_ASSIGN_OR_RETURN(use.stolen, NumberOf(*it, "stolen"));
  QL_ASSIGN_OR_RETURN(use.others, NumberOf(*it, "others"));
  QL_ASSIGN_OR_RETURN(use.mhz_low, NumberOf(*it, "mhz_low"));
  QL_ASSIGN_OR_RETURN(use.mhz_high, NumberOf(*it, "mhz_high"));
  return use;
}

absl::StatusOr<ShapeTimes> ShapeFrom(const Json& json, size_t models) {
  if (!json.is_object()) return Malformed("a shape must be an object");
  ShapeTimes times;
  QL_ASSIGN_OR_RETURN(times.fp32_path, TextOf(json, "fp32_path"));
  QL_ASSIGN_OR_RETURN(times.other_fp32_path, TextOf(json, "other_fp32_path"));
  QL_ASSIGN_OR_RETURN(times.other_fp32_ratio, NumberOf(json, "other_fp32_ratio"));
  QL_ASSIGN_OR_RETURN(times.trial, SamplesFrom(json, "trial", kTrialModels));
  QL_ASSIGN_OR_RETURN(times.failed, FailedFrom(json, models));
  QL_ASSIGN_OR_RETURN(times.samples, SamplesFrom(json, "samples", models, times.failed));
  if (times.samples.empty()) return Malformed("no samples");
  QL_ASSIGN_OR_RETURN(times.use, UseFrom(json));
  return times;
}

}  // namespace

std::string TimesToJson(const std::vector<ShapeTimes>& shapes) {
  Json list = Json::array();
  for (const ShapeTimes& times : shapes) {
    Json failed = Json::array();
    for (const auto& [model, why] : times.failed) failed.push_back({model, why});
    list.push_back({{"fp32_path", times.fp32_path},
                    {"other_fp32_path", times.other_fp32_path},
                    {"other_fp32_ratio", times.other_fp32_ratio},
                    {"trial", ToJson(times.trial)},
                    {"samples", ToJson(times.samples)},
                    {"failed", failed},
                    {"use",
                     {{"seconds", times.use.seconds},
                      {"stolen", times.use.stolen},
                      {"others", times.use.others},
                      {"mhz_low", times.use.mhz_low},
                      {"mhz_high", times.use.mhz_high}}}});
  }
  const Json report = {{"version", 1}, {"shapes", list}};
  return report.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::vector<ShapeTimes>> TimesFromJson(const std::string& text, size_t shapes, size_t models) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("version", Json()) != 1) return Malformed("no JSON of version 1");
  const auto list = json.find("shapes");
  if (list == json.end() || !list->is_array() || list->size() != shapes) {
    return Malformed(absl::StrCat("there must be ", shapes, " shapes"));
  }
  std::vector<ShapeTimes> all;
  for (const Json& shape : *list) {
    QL_ASSIGN_OR_RETURN(all.emplace_back(), ShapeFrom(shape, models));
  }
  return all;
}

}  // namespace quantlab::runner
