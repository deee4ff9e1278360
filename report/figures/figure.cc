#include "report/figures/figure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

constexpr double kFontSize = 13;
constexpr double kLabelEm = 22;

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

// With a decimal point, because gnuplot divides integers as integers.
std::string ScriptNumber(double value) {
  std::string number = FormatExact(value);
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}

std::optional<double> Bound(const std::optional<Result>& result, double sign) {
  if (!result.has_value()) return std::nullopt;
  if (result->deviation.has_value()) return result->value + sign * *result->deviation;
  return sign < 0 ? result->low : result->high;
}

Text LabelOf(const VariantFacts& variant) {
  if (variant.label.english.empty()) {
    return {PlotLabelEnd(variant.name, kLabelEm), PlotLabelEnd(variant.name, kLabelEm)};
  }
  return {PlotLabel(variant.label.english, kLabelEm), PlotLabel(variant.label.chinese, kLabelEm)};
}

}  // namespace

Csv::Csv(std::vector<std::string> header) {
  Line(header);
}

void Csv::Line(const std::vector<std::string>& fields) {
  absl::StrAppend(&text_,
                  absl::StrJoin(fields, ",",
                                [](std::string* out, const std::string& field) {
                                  absl::StrAppend(out, EscapeCsv(field));
                                }),
                  "\n");
}

void Csv::Add(const std::vector<std::string>& row) {
  Line(row);
  ++rows_;
}

std::string OfQuality(const TaskSpec& task, const std::string& script) {
  if (!task.numeric) return script;
  return absl::StrReplaceAll(script, {{"100*", ""},
                                      {"array scales[4] = [100,", "array scales[4] = [1,"},
                                      {"'%.1f%%'", "'%g'"},
                                      {"'%.2f%%'", "'%.4f'"},
                                      {"'%+.1f'", "'%+g'"}});
}

std::string CsvNumber(std::optional<double> value) {
  return value.has_value() && std::isfinite(*value) ? FormatExact(*value) : "";
}

std::string CsvValue(const std::optional<Result>& result) {
  return result.has_value() ? CsvNumber(result->value) : "";
}

std::string CsvLow(const std::optional<Result>& result) {
  return CsvNumber(Bound(result, -1));
}

std::string CsvHigh(const std::optional<Result>& result) {
  return CsvNumber(Bound(result, 1));
}

double TickStep(double length, int most) {
  if (!(length > 0) || !std::isfinite(length)) return 1;
  const double power = std::pow(10, std::floor(std::log10(length / most)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (length / (step * power) <= most) return step * power;
  }
  return 10 * power;
}

Script::Script(const std::string& path, const char* what) {
  text_ =
      absl::StrCat("# ", what, "\n# Drawn by ../redraw.sh, which sets lang (zh, en) and format (svg, png).\n",
                   "load 'style.gp'\nname = ", Quoted(path), "\ndata = name.'.csv'\n");
}

Script& Script::Set(const char* name, double value) {
  absl::StrAppend(&text_, name, " = ", ScriptNumber(value), "\n");
  return *this;
}

Script& Script::Set(const char* name, const Text& text) {
  absl::StrAppend(&text_, name, " = chinese ? ", Quoted(text.chinese), " : ", Quoted(text.english), "\n");
  return *this;
}

Script& Script::Array(const char* name, const std::vector<double>& values) {
  absl::StrAppend(
      &text_, "array ", name, "[", values.size(), "] = [",
      absl::StrJoin(values, ", ", [](std::string* out, double value) { *out += ScriptNumber(value); }),
      "]\n");
  return *this;
}

Script& Script::Flag(const char* name, bool on) {
  absl::StrAppend(&text_, name, " = ", on ? 1 : 0, "\n");
  return *this;
}

std::string Script::Body(absl::string_view body) const {
  return absl::StrCat(text_, body);
}

std::vector<PlotRow> PlotRows(const Facts& facts) {
  std::vector<PlotRow> rows;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.succeeded == 0 || !variant.same_as.empty()) continue;
    const std::string color = MethodColor(variant);
    const auto mark =
        std::count_if(rows.begin(), rows.end(), [&](const PlotRow& row) { return row.color == color; });
    rows.push_back({&variant, LabelOf(variant), color, static_cast<size_t>(mark)});
  }
  return rows;
}

double LabelPixels(const std::vector<PlotRow>& rows, Language language) {
  double em = 4;
  for (const PlotRow& row : rows) em = std::max(em, TextWidth(row.label.In(language)));
  return std::ceil(em * kFontSize);
}

std::vector<std::string> RowHeader(const std::vector<std::string>& more) {
  std::vector<std::string> header = {"row", "variant", "label_en", "label_zh"};
  header.insert(header.end(), more.begin(), more.end());
  header.insert(header.end(), {"mark", "color"});
  return header;
}

std::vector<std::string> RowFields(const PlotRow& row, size_t number, const std::vector<std::string>& more) {
  std::vector<std::string> fields = {std::to_string(number), row.variant->name, row.label.english,
                                     row.label.chinese};
  fields.insert(fields.end(), more.begin(), more.end());
  fields.insert(fields.end(), {std::to_string(row.mark), row.color});
  return fields;
}

std::string MethodColor(const VariantFacts& variant) {
  static const auto* const colors = new std::map<std::string, const char*>{
      {"dynamic_quantization", "E69F00"}, {"static_quantization", "56B4E9"}, {"qat", "009E73"},
      {"fp32_continued", "8C8C8C"},       {"mixed_precision", "0072B2"},     {"weight_only", "CC79A7"},
      {"fp8_quantization", "F0E442"}};
  if (variant.baseline) return "000000";
  const auto it = colors->find(variant.method);
  return it == colors->end() ? "D55E00" : it->second;
}

std::string PrecisionColor(const std::string& precision) {
  static const auto* const colors = new std::map<std::string, const char*>{{"fp32", "BBBBBB"},
                                                                           {"bf16", "0072B2"},
                                                                           {"fp16", "56B4E9"},
                                                                           {"fp8", "9467BD"},
                                                                           {"int8", "E69F00"},
                                                                           {"int8_dynamic", "E69F00"},
                                                                           {"int8_static", "F0E442"},
                                                                           {"int8_weight_only", "009E73"},
                                                                           {"int4_weight_only", "CC79A7"}};
  const auto it = colors->find(precision);
  return it == colors->end() ? "D55E00" : it->second;
}

}  // namespace quantlab::report
