// All measurements of an experiment, as flat tables for other tools.
//
// Base units, all digits (a number reads back as the same double), times in UTC (RFC 3339). The columns
// of a table have a fixed order; a newer version only adds columns.
//
// Threads: pure functions.
#ifndef QUANTLAB_CLIENT_QUANTCTL_EXPORT_H_
#define QUANTLAB_CLIENT_QUANTCTL_EXPORT_H_

#include <string>
#include <vector>

#include "client/quantctl/output.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// Rows of scalars, objects and arrays; null if there is no value.
struct ExportTable {
  std::string name;                     // "metrics", of the file metrics.csv
  std::vector<std::string> columns;     // "method_version"
  std::vector<std::vector<Json>> rows;  // each as long as `columns`
};

// How messages within a cell are written.
using JsonOf = Json (*)(const google::protobuf::Message&);
// The JSON mapping of protobuf, with 64-bit integers as texts and fields of default value, which CSV files
// have.
Json ProtoJson(const google::protobuf::Message& message);

// Runs, metrics and layers.
//
// A metric's labels are one object in `labels` and a column each, `label_split`; a run's parameters are one
// object in `params` and a column each, `param_dtype`. `attempt` and `worker` are those that measured; where
// the result was reused, `source_run` is another experiment's.
std::vector<ExportTable> MakeExport(const v1::ReportData& data, JsonOf json = ProtoJson);

// RFC 4180 with a header, in UTF-8: lines end in CRLF, what has commas, quotes or line breaks is quoted.
// Objects and arrays are written as JSON.
std::string ExportCsv(const ExportTable& table);

// {"experiment": …, "runs": [{…}], "metrics": [{…}], "layers": [{…}]}: the keys are the columns in
// lowerCamelCase, without those that repeat a label or a parameter. NaN and infinities are null.
Json ExportJson(const v1::ReportData& data);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_EXPORT_H_
