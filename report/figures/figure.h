// Figures: the data that each one draws, and the gnuplot script that draws it. Nothing is drawn here; whoever
// has the files runs figures/redraw.sh.
//
// Pure functions. Texts from outside (names of variants, of layers) stand in the data only, never in a
// script: what a user calls a variant cannot become a command.
#ifndef QUANTLAB_REPORT_FIGURES_FIGURE_H_
#define QUANTLAB_REPORT_FIGURES_FIGURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
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
  Text title;        // plain text: what a reader hears who does not see it
  Text caption;      // Markdown
  std::string script;
  std::vector<FigureData> data;
};

// A table of plain values, written as CSV that gnuplot reads too. The last field of a row must not be empty:
// gnuplot 5.4 would take the row before's; and what is shown must not have a comma, where it would end.
class Csv {
 public:
  explicit Csv(std::vector<std::string> header);
  // As many as the header has.
  void Add(const std::vector<std::string>& row);
  bool empty() const { return rows_ == 0; }
  std::string Take() { return std::move(text_); }

 private:
  void Line(const std::vector<std::string>& fields);

  std::string text_;
  int rows_ = 0;
};

// Exact, or empty where there is none or it is not finite: gnuplot leaves such a value out.
std::string CsvNumber(std::optional<double> value);
// One of the parts of a result.
std::string CsvValue(const std::optional<Result>& result);
std::string CsvLow(const std::optional<Result>& result);   // of its interval, else value - deviation
std::string CsvHigh(const std::optional<Result>& result);  // of its interval, else value + deviation

// Distance of ticks, 1, 2 or 5 times a power of ten, so that at most `most` of them lie on an axis of that
// length.
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
  // The values, then `body` as it stands.
  std::string Body(absl::string_view body) const;

 private:
  std::string text_;
};

// One line of a chart with a line per variant.
struct PlotRow {
  const VariantFacts* variant = nullptr;
  Text label;         // for CSV, not escaped
  std::string color;  // "E69F00"
  size_t mark = 0;    // which of the variants that share the colour
};

// Variants with at least one result, in the order of the report, each model once. The label is the variant's,
// or its name where it has none.
std::vector<PlotRow> PlotRows(const Facts& facts);
// Of the font size 13: what the longest label takes.
double LabelPixels(const std::vector<PlotRow>& rows, Language language);
// {row, variant, label_en, label_zh, …, mark, color} of each CSV with a line per variant.
std::vector<std::string> RowHeader(const std::vector<std::string>& more);
std::vector<std::string> RowFields(const PlotRow& row, size_t number, const std::vector<std::string>& more);

// Okabe and Ito's colours, which colour-blind people can tell apart; the same method has the same everywhere.
std::string MethodColor(const VariantFacts& variant);
// Of what a layer ran in: "int8_static".
std::string PrecisionColor(const std::string& precision);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FIGURES_FIGURE_H_
