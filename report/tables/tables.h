// The tables of a report. Each is the same in Markdown and in CSV but for rounding: CSV has base units
// and every digit.
#ifndef QUANTLAB_REPORT_TABLES_TABLES_H_
#define QUANTLAB_REPORT_TABLES_TABLES_H_

#include <vector>

#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/tables/table.h"

namespace quantlab::report {

// One row per variant, for the first screen: narrow enough for a phone. Speed is that of HeadlineShape().
Table AnswerTable(Language language, const Facts& facts);
// One row per variant: all that is known of it, at every shape.
Table SummaryTable(Language language, const Facts& facts);
// One row per variant: accuracy with interval, against the baseline, precision, recall, F1.
Table AccuracyTable(Language language, const Facts& facts);
// One row per variant: changed classes, corrected tests, non-inferiority.
Table PairedTable(Language language, const Facts& facts);
// One variant against another.
Table PairsTable(Language language, const Facts& facts);
// One row per comparison, variant and shape of input.
Table SpeedTable(Language language, const Facts& facts);
// One row per comparison and variant.
Table SizeTable(Language language, const Facts& facts);
Table MemoryTable(Language language, const Facts& facts);
// Linear layers of each variant, counted by what was asked, what ran, and why they differ.
Table LayersTable(Language language, const Facts& facts);
// One row per variant: the median SQNR of each part of the model; for people in short, with the number of
// layers and their inputs' outliers for programs.
Table NoiseTable(Language language, const Facts& facts);
// Layer by layer.
Table LayerDetailsTable(Language language, const Facts& facts);
// What quantizing each layer alone does; the assignments that mixed precision chose from.
Table SensitivityTable(Language language, const Facts& facts);
Table FrontTable(Language language, const Facts& facts);
// How each run ended.
Table RunsTable(Language language, const ReportData& data);
// Where each result comes from: attempt, worker, device, digests. The key of ProvenanceTable.
Table SourcesTable(Language language, const ReportData& data);
// Every final number with the run and attempt that it comes from.
Table ProvenanceTable(Language language, const ReportData& data);
// Hardware and software of each run, as its runner saw them.
Table EnvironmentTable(Language language, const ReportData& data);
// Every setting of each run.
Table ConfigurationTable(Language language, const ReportData& data);
// First and last point of each curve, as recorded. The report has sentences and a figure instead.
Table CurvesTable(Language language, const ReportData& data);
// Every point of each curve.
Table CurvePointsTable(Language language, const ReportData& data);
// Final numbers without a place in the tables above: all of them, or those of metrics that an experiment file
// can ask for, which a report must not leave out.
enum class OtherRows { kAll, kAskedFor };
Table OtherTable(Language language, const Facts& facts, OtherRows rows);

// All of them, in the order of the report.
std::vector<Table> AllTables(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TABLES_TABLES_H_
