// Figures: the data of each one, and the gnuplot script that draws it. Nothing is drawn here;
// figures/redraw.sh draws them.
//
// Pure functions. External texts (names of variants, of layers) are only in the data, never in a script, so
// that the name of a variant cannot become a command.
#ifndef QUANTLAB_REPORT_FIGURES_FIGURE_H_
#define QUANTLAB_REPORT_FIGURES_FIGURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/config/task.h"
#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/facts/plot_label.h"

namespace quantlab::report {

struct FigureData {
  std::string path;  // relative to figures/: "results/accuracy.csv"
  std::string csv;
};

struct Figure {
  std::string path;  // relative to figures/, without language and format: "results/accuracy"
  Text title;        // plain text: the alternative text of the image
  Text caption;      // Markdown
  std::string script;
  std::vector<FigureData> data;
};

// A table of plain values, written as CSV that gnuplot can read. The last field of a row must not be empty,
// because gnuplot 5.4 would use that of the previous row; displayed text must not contain a comma, where
// gnuplot would end it.
class Csv {
 public:
  explicit Csv(std::vector<std::string> header);
  // The same number as in the header.
  void Add(const std::vector<std::string>& row);
  bool empty() const { return rows_ == 0; }
  std::string Take() { return std::move(text_); }

 private:
  void Line(const std::vector<std::string>& fields);

  std::string text_;
  int rows_ = 0;
};

// The exact value, or empty if there is none or it is not finite: gnuplot skips empty values.
std::string CsvNumber(std::optional<double> value);
// The parts of a result.
std::string CsvValue(const std::optional<Result>& result);
std::string CsvLow(const std::optional<Result>& result);   // of its interval, or else value - deviation
std::string CsvHigh(const std::optional<Result>& result);  // of its interval, or else value + deviation

// A script that draws the quality of a task: the scripts are written for shares, as percentages; for a task
// whose quality is a plain number (QualityScale 1) the factors and the percent signs are removed.
std::string OfQuality(const TaskSpec& task, const std::string& script);

// The distance of ticks, 1, 2 or 5 times a power of ten, so that an axis of that length has at most `most` of
// them.
double TickStep(double length, int most);

// A script: values first, which the body then uses.
class Script {
 public:
  Script(const std::string& path, const char* what);
  Script& Set(const char* name, double value);
  Script& Set(const char* name, const Text& text);
  // Elements count from 1.
  Script& Array(const char* name, const std::vector<double>& values);
  Script& Flag(const char* name, bool on);
  // The values, then `body` unchanged.
  std::string Body(absl::string_view body) const;

 private:
  std::string text_;
};

// One row of a chart with a row per variant.
struct PlotRow {
  const VariantFacts* variant = nullptr;
  Text label;         // for CSV, not escaped
  std::string color;  // "E69F00"
  size_t mark = 0;    // index among the variants with the same colour
};

// Variants with at least one result, in the order of the report, each model once. The label is the variant's,
// or its name if it has none.
std::vector<PlotRow> PlotRows(const Facts& facts);
// The width of the longest label at font size 13.
double LabelPixels(const std::vector<PlotRow>& rows, Language language);
// {row, variant, label_en, label_zh, …, mark, color} of each CSV with a row per variant.
std::vector<std::string> RowHeader(const std::vector<std::string>& more);
std::vector<std::string> RowFields(const PlotRow& row, size_t number, const std::vector<std::string>& more);

// Okabe and Ito's colours, which colour-blind readers can distinguish; a method has the same colour
// everywhere.
std::string MethodColor(const VariantFacts& variant);
// The colour of a precision: "int8_static".
std::string PrecisionColor(const std::string& precision);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FIGURES_FIGURE_H_
