// The runs: their ends, machines and settings.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/utf8.h"
#include "report/facts/config_lines.h"
#include "report/facts/format.h"
#include "report/facts/message_text.h"
#include "report/facts/names.h"
#include "report/tables/table_builder.h"
#include "report/tables/tables.h"

namespace quantlab::report {
namespace {

double Seconds(const std::optional<absl::Time>& from, const std::optional<absl::Time>& to) {
  return from.has_value() && to.has_value() ? absl::ToDoubleSeconds(*to - *from) : 0;
}

Cell DurationCell(const RunRecord& run) {
  if (!run.start_time.has_value() || !run.end_time.has_value()) return EmptyCell();
  const double seconds = Seconds(run.start_time, run.end_time);
  return NumberCell(seconds, FormatSeconds(seconds));
}

// A list of CPU flags would fill a page: truncated in Markdown, complete in CSV.
Cell LongTextCell(const std::string& text) {
  constexpr size_t kShown = 100;
  const std::string line = OneLine(text);
  if (line.size() <= kShown) return TextCell(line);
  size_t end = line.rfind(' ', kShown);
  if (end == std::string::npos || end == 0) end = kShown;
  return {absl::StrCat(EscapeMarkdown(std::string(Utf8Prefix(line, end))), " …"), line};
}

Cell DigestCell(const std::string& digest) {
  return {Code(ShortDigest(digest)), digest};
}

std::string Fact(const RunReport& run, const std::string& name) {
  const auto it = run.environment.facts.find(name);
  return it == run.environment.facts.end() ? "" : it->second;
}

// The result's attempt if there is one, or else the last.
Row SourceRow(Language language, const RunReport& run) {
  const AttemptRecord* const attempt = AttemptOf(run);
  const std::string fingerprint = !run.environment.fingerprint.empty() ? run.environment.fingerprint
                                  : attempt != nullptr                 ? attempt->worker_fingerprint
                                                                       : "";
  return {CodeCell(run.run.name),
          CodeCell(attempt == nullptr ? "" : attempt->key.run_id),
          attempt == nullptr ? EmptyCell() : CountCell(attempt->key.number),
          FlagCell(language, run.run.reused),
          CodeCell(attempt == nullptr ? "" : attempt->worker_id),
          TextCell(attempt == nullptr ? "" : attempt->worker_hostname),
          TextCell(run.run.device),
          {std::to_string(run.run.seed), std::to_string(run.run.seed)},
          DigestCell(fingerprint),
          DigestCell(ConfigDigest(run.config)),
          DigestCell(run.config.dataset.asset.digest),
          DigestCell(run.config.model.digest),
          DigestCell(Fact(run, "runner_sha256"))};
}

}  // namespace

Table RunsTable(Language language, const ReportData& data) {
  Builder builder(language, "runs", "Runs of the experiment and how each ended.", "本实验的运行及其结局。");
  builder.Text("run", "Run", "运行").Text("kind", "Kind", "类型").Text("state", "State", "状态");
  builder.Number("seed", "Seed", "种子").Number("attempts", "Attempts", "尝试次数");
  builder.Text("reused", "Reused", "复用")
      .Number("seconds", "Took", "用时")
      .Text("message", "Message", "信息");
  for (const RunReport& run : data.runs) {
    builder.Add({CodeCell(run.run.name),
                 TextCell(RunKindName(run.run.kind)),
                 {StateWord(language, run.run.state), std::string(RunStateName(run.run.state))},
                 {std::to_string(run.run.seed), std::to_string(run.run.seed)},
                 CountCell(run.run.attempts),
                 FlagCell(language, run.run.reused),
                 DurationCell(run.run),
                 {MessageText(language, run.run.coded_message, run.run.message), OneLine(run.run.message)}});
  }
  return builder.Build();
}

Table SourcesTable(Language language, const ReportData& data) {
  Builder builder(language, "sources",
                  "Where each run's result comes from; digests and fingerprints are cut to 12 digits here, "
                  "whole in the CSV file.",
                  "每个运行的结果来源；摘要与指纹在此截为 12 位，CSV 文件中为全文。");
  builder.Text("run", "Run", "运行").Text("source_run", "Computed by", "计算者");
  builder.Number("attempt", "Attempt", "尝试").Text("reused", "Reused", "复用");
  builder.Text("worker", "Worker", "工作节点").Text("host", "Host", "主机").Text("device", "Device", "设备");
  builder.Number("seed", "Seed", "种子").Text("fingerprint", "Fingerprint", "执行指纹");
  builder.Text("config_sha256", "Configuration", "配置").Text("dataset_sha256", "Dataset", "数据集");
  builder.Text("model_sha256", "Model", "模型").Text("runner_sha256", "Runner", "执行程序");
  for (const RunReport& run : data.runs) builder.Add(SourceRow(language, run));
  return builder.Build();
}

Table EnvironmentTable(Language language, const ReportData& data) {
  Builder builder(
      language, "environment",
      "Hardware and software, as the runner saw them; long values are cut here, whole in the CSV file.",
      "执行程序所见的硬件与软件环境；过长的内容在此截短，CSV 文件中为全文。");
  builder.Text("fact", "Fact", "项目").Text("value", "Value", "内容").Text("runs", "Runs", "运行");
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> facts;
  for (const RunReport& run : data.runs) {
    for (const auto& [name, value] : run.environment.facts) facts[{name, value}].push_back(run.run.name);
    if (!run.environment.fingerprint.empty()) {
      facts[{"fingerprint", run.environment.fingerprint}].push_back(run.run.name);
    }
  }
  const auto described =
      static_cast<size_t>(std::count_if(data.runs.begin(), data.runs.end(),
                                        [](const RunReport& run) { return !run.environment.facts.empty(); }));
  for (const auto& [fact, runs] : facts) {
    const std::string names =
        runs.size() == described && described > 1
            ? Say(language, "all", "全部")
            : absl::StrJoin(runs, ", ", [](std::string* out, const std::string& run) { *out += Code(run); });
    builder.Add({CodeCell(fact.first), LongTextCell(fact.second), {names, absl::StrJoin(runs, ";")}});
  }
  return builder.Build();
}

Table ConfigurationTable(Language language, const ReportData& data) {
  Builder builder(language, "configuration",
                  "Every setting that decides a result, by run; the digest of a configuration is the SHA-256 "
                  "of its lines `key=value`.",
                  "决定结果的全部设置，按运行列出；配置摘要是其各行 `key=value` 的 SHA-256。");
  builder.Text("run", "Run", "运行").Text("config_sha256", "Digest", "摘要").Text("key", "Setting", "设置");
  builder.Text("value", "Value", "值");
  for (const RunReport& run : data.runs) {
    const std::string digest = ConfigDigest(run.config);
    for (const auto& [key, value] : ConfigLines(run.config)) {
      builder.Add({CodeCell(run.run.name), DigestCell(digest), CodeCell(key), TextCell(value)});
    }
  }
  return builder.Build();
}

}  // namespace quantlab::report
