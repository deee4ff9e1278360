#include "client/inputs/input_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "base/testing/temp_folder.h"
#include "proto/convert.h"
#include "worker/engine/input_checks/testing/small_model.h"

namespace quantlab::client {
namespace {

using ::testing::HasSubstr;

// The plan of one baseline, whose inputs are the folder's d.csv and m.
struct Planned {
  v1::SubmitExperimentResponse checked;
  TempFolder folder;

  Planned() {
    v1::RunConfig* const config = checked.mutable_experiment()->add_runs()->mutable_config();
    *config = ToProto(RunConfig());  // every setting at its default
    config->set_kind(v1::RUN_KIND_BASELINE);
    config->set_run_name("baseline");
    config->set_device("cpu");
    config->mutable_dataset()->mutable_asset()->set_name("./d.csv");
    config->mutable_dataset()->set_text_column("text");
    config->mutable_dataset()->set_label_column("label");
    config->mutable_dataset()->set_max_length(16);
    for (const char* role : {"model", "dataset"}) {
      v1::RequiredInput* const input = checked.add_required_inputs();
      input->set_name(role == std::string("model") ? "./m" : "./d.csv");
      input->set_path(input->name());
      input->set_role(role);
    }
    engine::WriteSmallModel(folder, "m");
    folder.Write("d.csv", "text,label\na,x\nb,y\nc,x\nd,y\ne,x\nf,y\n");
  }
  v1::DatasetConfig& dataset() {
    return *checked.mutable_experiment()->mutable_runs(0)->mutable_config()->mutable_dataset();
  }
  std::string Why() { return std::string(CheckInputs(checked, folder.path(), {}).status().message()); }
};

TEST(InputChecksTest, SaysWhatTheDatasetHolds) {
  Planned planned;
  planned.folder.Write("d.csv", "text,label\na,x\nb,X\nc,x\nd,X\ne,x\nf,X\n");
  const auto findings = CheckInputs(planned.checked, planned.folder.path(), {});
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_EQ(English(*findings->dataset), "dataset ./d.csv (csv, UTF-8): 6 rows in 2 classes: X (3), x (3)");
  ASSERT_EQ(findings->caveats.size(), 1u);
  EXPECT_THAT(English(findings->caveats[0]), HasSubstr("are different classes here: X, x"));
}

TEST(InputChecksTest, RefusesWhatARunWouldEndWith) {
  Planned planned;
  EXPECT_EQ(planned.Why(), "");
  planned.dataset().set_label_column("class");
  EXPECT_THAT(planned.Why(), HasSubstr("no column \"class\""));
  planned.dataset().set_label_column("label");
  planned.dataset().set_train_size(100);
  EXPECT_THAT(planned.Why(), HasSubstr("train split should have 100 rows"));
  planned.dataset().set_train_size(0);
  planned.dataset().set_max_length(600);
  EXPECT_THAT(planned.Why(), HasSubstr("max_length is 600, but the model has 512 positions"));
  planned.dataset().set_max_length(16);
  planned.folder.Write("m/config.json", R"({"model_type": "gpt2"})");
  EXPECT_THAT(planned.Why(), HasSubstr("model_type is \"gpt2\""));
}

TEST(InputChecksTest, WhatWorkersFetchIsLeftToTheRun) {
  Planned planned;
  planned.checked.mutable_required_inputs()->DeleteSubrange(0, 1);
  planned.checked.mutable_required_inputs(0)->set_name("reviews");
  planned.checked.mutable_required_inputs(0)->set_path("elsewhere/d.csv");
  const auto findings = CheckInputs(planned.checked, planned.folder.path(), {});
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_FALSE(findings->dataset.has_value());
  ASSERT_EQ(findings->absent.size(), 1u);
  EXPECT_THAT(findings->absent[0], HasSubstr("'reviews' is missing"));
}

}  // namespace
}  // namespace quantlab::client
