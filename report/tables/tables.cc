#include "report/tables/tables.h"

#include "report/tables/runtime_tables.h"

namespace quantlab::report {

std::vector<Table> AllTables(Language language, const Facts& facts) {
  const ReportData& data = *facts.data;
  return {AnswerTable(language, facts),
          SummaryTable(language, facts),
          AccuracyTable(language, facts),
          PairedTable(language, facts),
          PairsTable(language, facts),
          SpeedTable(language, facts),
          RuntimesTable(language, facts),
          RuntimeTimesTable(language, facts),
          SizeTable(language, facts),
          MemoryTable(language, facts),
          LayersTable(language, facts),
          NoiseTable(language, facts),
          LayerDetailsTable(language, facts),
          SensitivityTable(language, facts),
          FrontTable(language, facts),
          RunsTable(language, data),
          SourcesTable(language, data),
          ProvenanceTable(language, data),
          EnvironmentTable(language, data),
          ConfigurationTable(language, data),
          CurvesTable(language, data),
          CurvePointsTable(language, data),
          OtherTable(language, facts, OtherRows::kAll)};
}

}  // namespace quantlab::report
