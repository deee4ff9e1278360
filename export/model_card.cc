#include "export/model_card.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/config/task.h"

namespace quantlab::model_export {
namespace {

using Json = nlohmann::json;

// In a cell of a table and between backquotes.
std::string Plain(const std::string& text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}, {"`", "'"}});
}

std::string Code(const std::string& text) {
  return absl::StrCat("`", Plain(text), "`");
}

std::string Number(double value) {
  return absl::StrFormat("%.5g", value);
}

std::string Method(const SourceModel& model) {
  if (!model.quantized()) return "FP32, not quantized";
  return Code(model.method());
}

std::string Parameters(const SourceModel& model) {
  const Json method = Json::parse(model.method_json(), nullptr, /*allow_exceptions=*/false);
  if (!method.is_object() || !method.contains("params") || !method["params"].is_object()) return "";
  std::string rows;
  for (const auto& [name, value] : method["params"].items()) {
    absl::StrAppend(&rows, "| ", Code(name), " | ",
                    Code(value.is_string() ? value.get<std::string>() : value.dump()), " |\n");
  }
  return rows.empty() ? "" : absl::StrCat("\n| parameter | value |\n|---|---|\n", rows);
}

std::string Kinds(const SourceModel& model) {
  return absl::StrJoin(model.CountKinds(), ", ", [](std::string* out, const auto& kind) {
    absl::StrAppend(out, kind.second, " x ", Code(kind.first));
  });
}

std::string Numbers(const ModelFacts& facts) {
  if (facts.numbers.empty()) return "The source folder holds no measurements.\n";
  std::string table = "| number | value | 95 % interval | samples |\n|---|---|---|---|\n";
  for (const MeasuredNumber& number : facts.numbers) {
    const std::string interval = number.low && number.high
                                     ? absl::StrCat("[", Number(*number.low), ", ", Number(*number.high), "]")
                                     : "";
    const std::string unit = number.unit.empty() || number.unit == "1" ? "" : " " + number.unit;
    absl::StrAppend(&table, "| ", Plain(number.name), " | ", Number(number.value), unit, " | ", interval,
                    " | ", number.samples == 0 ? "" : absl::StrCat(number.samples), " |\n");
  }
  return table;
}

std::string Check(const std::optional<CheckResult>& check) {
  if (!check) {
    return "The exported model was **not run** when it was written. `quantctl export-model --python PYTHON` runs "
           "it where PYTHON has the runtime.\n";
  }
  std::string text = absl::StrFormat(
      "%s computed %d texts: %.2f %% of the labels are those of quant-runner, and the largest difference of a "
      "logit is %s (tolerance %s, largest logit %s). One text of %d tokens on %d threads takes %.2f ms, and "
      "%.2f ms in quant-runner.",
      check->runtime, check->texts, 100 * check->agreement, Number(check->difference),
      Number(check->tolerance), Number(check->largest_logit), check->tokens, check->threads,
      1e3 * check->seconds, 1e3 * check->own_seconds);
  if (check->int8_products) {
    absl::StrAppendFormat(&text, " %d of its matrix products are INT8.", *check->int8_products);
  }
  return text + "\n";
}

std::string Named(const std::string& what, const std::string& name, const std::string& license,
                  const std::string& digest) {
  if (name.empty()) return "";
  std::string line = absl::StrCat("| ", what, " | ", Code(name));
  absl::StrAppend(&line,
                  license.empty() ? ", licence not known" : absl::StrCat(", licence ", Plain(license)));
  if (!digest.empty()) absl::StrAppend(&line, ", digest ", Code(digest));
  return line + " |\n";
}

// The example tokenizes with transformers, whatever runs the model.
std::vector<std::string> PackagesOfExample(const Exporter& exporter) {
  std::vector<std::string> packages = exporter.runtime_packages();
  if (std::find(packages.begin(), packages.end(), "transformers") == packages.end()) {
    packages.insert(packages.begin(), "transformers");
  }
  return packages;
}

}  // namespace

std::string ModelCard(const CardInput& input) {
  const ModelFacts& facts = input.facts;
  const bool numeric = TaskNamed(input.model.config().task).numeric;
  std::string card = absl::StrCat(
      "# ", Plain(facts.name), "\n\nA ", numeric ? "regression model of texts" : "text classifier",
      " exported by `quantctl export-model` as ", Code(input.exporter.name()), ".\n\n| | |\n|---|---|\n");
  absl::StrAppend(&card, "| family | ", Code(input.model.config().family), " |\n| classes | ",
                  absl::StrJoin(input.model.config().labels, ", ",
                                [](std::string* out, const std::string& label) { out->append(Code(label)); }),
                  " |\n| method | ", Method(input.model), " |\n");
  if (input.model.quantized()) {
    absl::StrAppend(&card, "| layers and tables | ", Kinds(input.model),
                    " |\n| activations between layers | ", Code(input.model.activation_dtype()), " |\n");
  }
  absl::StrAppend(&card, Named("base model", facts.base_model, facts.base_license, facts.base_digest),
                  Named("dataset", facts.dataset, facts.dataset_license, facts.dataset_digest),
                  "| saved model | SHA-256 ", Code(input.source_digest), " |\n| size | ", input.bytes,
                  " bytes |\n");
  if (const std::string note = input.exporter.Note(input.model); !note.empty()) {
    absl::StrAppend(&card, "\n", note, "\n");
  }
  absl::StrAppend(&card, Parameters(input.model), "\n## Measured\n\n", Numbers(facts),
                  "\nMeasured by quant-runner, before the export.\n\n## In the runtime\n\n",
                  Check(input.check));
  absl::StrAppend(
      &card, "\n## Use\n\n```sh\npip install ", absl::StrJoin(PackagesOfExample(input.exporter), " "),
      "\npython example.py \"a text\"",
      input.model.config().text_pairs ? " \"the text that belongs to it\"" : "", "\n```\n\n",
      numeric ? "The model gives one number. " : "`labels.json` names the classes by index. ",
      "Texts are tokenized with the files of this folder.\n\n## Files\n\n| file | SHA-256 |\n|---|---|\n");
  for (const auto& [name, digest] : input.digests) {
    absl::StrAppend(&card, "| ", Code(name), " | ", Code(digest), " |\n");
  }
  return card;
}

}  // namespace quantlab::model_export
