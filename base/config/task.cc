#include "base/config/task.h"

namespace quantlab {
namespace {

TaskSpec Classification() {
  TaskSpec task;
  task.name = "classification";
  task.title = "Classification";
  task.title_zh = "分类";
  task.quality = "accuracy";
  task.difference = "accuracy_difference";
  task.p_value = "mcnemar_p_value";
  task.p_holm = "mcnemar_p_holm";
  task.quality_name = "accuracy";
  task.quality_name_zh = "准确率";
  task.test_name = "McNemar's test";
  task.test_name_zh = "McNemar 检验";
  task.better = "more accurate";
  task.better_zh = "更准确";
  task.worse = "less accurate";
  task.worse_zh = "更不准确";
  return task;
}

TaskSpec Regression() {
  TaskSpec task;
  task.name = "regression";
  task.title = "Regression";
  task.title_zh = "回归";
  task.numeric = true;
  task.problem_type = "regression";
  task.quality = "pearson";
  task.difference = "pearson_difference";
  task.p_value = "bootstrap_p_value";
  task.p_holm = "bootstrap_p_holm";
  task.quality_name = "Pearson correlation";
  task.quality_name_zh = "Pearson 相关系数";
  task.test_name = "the paired bootstrap";
  task.test_name_zh = "成对自助法检验";
  task.better = "better correlated with the labels";
  task.better_zh = "更优";
  task.worse = "worse correlated with the labels";
  task.worse_zh = "更差";
  return task;
}

}  // namespace

const std::vector<TaskSpec>& AllTasks() {
  static const auto* const tasks = new std::vector<TaskSpec>{Classification(), Regression()};
  return *tasks;
}

const TaskSpec* FindTask(absl::string_view name) {
  for (const TaskSpec& task : AllTasks()) {
    if (task.name == name) return &task;
  }
  return nullptr;
}

const TaskSpec& TaskNamed(absl::string_view name) {
  const TaskSpec* const task = FindTask(name);
  return task == nullptr ? AllTasks().front() : *task;
}

std::vector<std::string> TaskNames() {
  std::vector<std::string> names;
  for (const TaskSpec& task : AllTasks()) names.push_back(task.name);
  return names;
}

}  // namespace quantlab
