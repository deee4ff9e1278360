// decide: the variants that meet the user's constraints, and the best of them.
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "proto/convert.h"
#include "report/facts/decision.h"
#include "report/report.h"
#include "yaml/report_options.h"

namespace quantlab::client {
namespace {

struct DecideOptions {
  std::string name = "latest";
  report::Constraints constraints;  // those of the command line
  std::optional<report::Goal> goal;
  bool json = false;
};

struct Unit {
  const char* suffix;
  double factor;  // converts to the unit of report::Constraints
};
// A number without a unit has the first one. Longer suffixes come before their own endings.
const std::vector<Unit> kPoints = {{"", 0.01}, {"%", 0.01}};
const std::vector<Unit> kTimes = {{"", 1e-3}, {"ms", 1e-3}, {"us", 1e-6}, {"s", 1}};
const std::vector<Unit> kBytes = {{"", 1e6},           {"KiB", 1024}, {"MiB", 1024.0 * 1024},
                                  {"GiB", 1073741824}, {"kB", 1e3},   {"KB", 1e3},
                                  {"MB", 1e6},         {"GB", 1e9},   {"B", 1}};

std::optional<double> ParseAmount(absl::string_view text, const std::vector<Unit>& units) {
  double factor = units[0].factor;
  for (const Unit& unit : units) {
    if (unit.suffix[0] == '\0' || !absl::ConsumeSuffix(&text, unit.suffix)) continue;
    factor = unit.factor;
    break;
  }
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value) || value < 0) return std::nullopt;
  return value * factor;
}

constexpr std::array<std::pair<const char*, report::Goal>, 4> kGoals = {
    {{"speed", report::Goal::kSpeed},
     {"size", report::Goal::kSize},
     {"memory", report::Goal::kMemory},
     {"accuracy", report::Goal::kAccuracy}}};

const char* GoalWord(report::Goal goal) {
  for (const auto& [word, value] : kGoals) {
    if (value == goal) return word;
  }
  return "";
}

const char* QuantityWord(report::Quantity quantity) {
  switch (quantity) {
    case report::Quantity::kAccuracyDrop:
      return "accuracy_drop";
    case report::Quantity::kP90:
      return "p90_seconds";
    case report::Quantity::kSize:
      return "size_bytes";
    case report::Quantity::kMemory:
      break;
  }
  return "memory_bytes";
}

const char* OutcomeWord(report::Outcome outcome) {
  switch (outcome) {
    case report::Outcome::kMet:
      return "met";
    case report::Outcome::kUnproven:
      return "unproven";
    case report::Outcome::kFailed:
      return "exceeded";
    case report::Outcome::kUnknown:
      break;
  }
  return "unknown";
}

Json OrNull(const std::optional<double>& value) {
  return value.has_value() && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json ToJson(const report::Check& check) {
  return {{"constraint", QuantityWord(check.quantity)},
          {"outcome", OutcomeWord(check.outcome)},
          {"limit", check.limit},
          {"value", OrNull(check.value)},
          {"bound", OrNull(check.bound)},
          {"confidence", OrNull(check.confidence)},
          {"tests", check.tests},
          {"seeds", check.seeds},
          {"unreliable", check.unreliable}};
}

Json ToJson(const report::Decision& decision) {
  const auto names = [&](const std::vector<size_t>& indices) {
    Json list = Json::array();
    for (const size_t i : indices) list.push_back(decision.variants[i].variant->name);
    return list;
  };
  Json body = {{"goal", GoalWord(decision.goal)}};
  body["batchSize"] = decision.shape ? Json(decision.shape->batch_size) : Json(nullptr);
  body["sequenceLength"] = decision.shape ? Json(decision.shape->sequence_length) : Json(nullptr);
  body["timingsReliable"] = decision.reliable;
  body["best"] = decision.best ? Json(decision.variants[*decision.best].variant->name) : Json(nullptr);
  body["equallyGood"] = names(decision.equal);
  body["variants"] = Json::array();
  for (const report::VariantDecision& one : decision.variants) {
    Json variant = {{"variant", one.variant->name}, {"qualifies", one.feasible}};
    variant["goal"] = one.goal ? OrNull(one.goal->value) : Json(nullptr);
    variant["checks"] = Json::array();
    for (const report::Check& check : one.checks) variant["checks"].push_back(ToJson(check));
    body["variants"].push_back(std::move(variant));
  }
  return body;
}

// Each limit of the command line replaces that of the file.
report::Constraints LaidOver(report::Constraints base, const report::Constraints& over) {
  if (over.accuracy_drop) base.accuracy_drop = over.accuracy_drop;
  if (over.p90) base.p90 = over.p90;
  if (over.size) base.size = over.size;
  if (over.memory) base.memory = over.memory;
  if (over.shape.batch_size != 0) base.shape.batch_size = over.shape.batch_size;
  if (over.shape.sequence_length != 0) base.shape.sequence_length = over.shape.sequence_length;
  return base;
}

absl::StatusOr<int> Decide(Session& session, const DecideOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(options.name));
  QL_ASSIGN_OR_RETURN(const v1::ReportData message, client->GetReportData(id));
  QL_ASSIGN_OR_RETURN(const ReportData data, FromProto(message));
  const report::Facts facts = report::CollectFacts(data);
  const DecisionOptions of_file = ReportOptionsOf(data.experiment.files).decide.value_or(DecisionOptions());
  const report::Decision decision =
      report::Decide(facts, LaidOver(report::ConstraintsOf(of_file), options.constraints),
                     options.goal.value_or(report::GoalNamed(of_file.goal)));
  if (options.json) {
    session.Print(RenderDocument("Decision", ToJson(decision), "json"));
  } else if (!session.is_table()) {
    session.PrintDocument("Decision", ToJson(decision));
  } else {
    session.PrintText(report::RenderDecision(decision, session.language()));
  }
  return decision.best.has_value() ? kExitOk : kExitNotFound;
}

void AddAmount(CLI::App* command, const char* name, std::optional<double>& to, const std::vector<Unit>& units,
               const std::string& what, const char* type) {
  command
      ->add_option_function<std::string>(
          name,
          [&to, &units, name, type](const std::string& text) {
            to = ParseAmount(text, units);
            if (!to.has_value()) {
              throw CLI::ValidationError(name, absl::StrCat("'", text, "' is no ", type, " of 0 or more"));
            }
          },
          what)
      ->type_name(type);
}

}  // namespace

void AddDecideCommand(CommandLine& line) {
  const auto options = std::make_shared<DecideOptions>();
  CLI::App* command = AddCommand(line, "decide", line.Say(messages::kHelpDecide()),
                                 "  quantctl decide latest --max-drop 0.5 --max-p90 12ms --max-size 60MB\n"
                                 "  quantctl decide latest --goal size --max-drop 1 --json | jq -r .best");
  command->add_option("EXPERIMENT", options->name, line.Say(messages::kHelpExperimentLatest()));
  report::Constraints& limits = options->constraints;
  AddAmount(command, "--max-drop", limits.accuracy_drop, kPoints, line.Say(messages::kHelpMaxDrop()),
            "POINTS");
  AddAmount(command, "--max-p90", limits.p90, kTimes, line.Say(messages::kHelpMaxP90()), "TIME");
  AddAmount(command, "--max-size", limits.size, kBytes, line.Say(messages::kHelpMaxSize()), "SIZE");
  AddAmount(command, "--max-memory", limits.memory, kBytes, line.Say(messages::kHelpMaxMemory()), "SIZE");
  command
      ->add_option_function<std::string>(
          "--goal",
          [options](const std::string& word) {
            for (const auto& [name, goal] : kGoals) {
              if (word == name) options->goal = goal;
            }
          },
          line.Say(messages::kHelpGoal()))
      ->check(CLI::IsMember({"speed", "size", "memory", "accuracy"}))
      ->type_name("GOAL");
  command->add_option("--batch-size", limits.shape.batch_size, line.Say(messages::kHelpDecideBatch()))
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->add_option("--length", limits.shape.sequence_length, line.Say(messages::kHelpDecideLength()))
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->add_flag("--json", options->json, line.Say(messages::kHelpJson()));
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return Decide(s, *options); }; });
}

}  // namespace quantlab::client
