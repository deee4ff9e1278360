// Finds the saved model that a command names, on this machine or in the coordinator's store.
#ifndef QUANTLAB_CLIENT_QUANTCTL_MODEL_SOURCE_H_
#define QUANTLAB_CLIENT_QUANTCTL_MODEL_SOURCE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/quantctl/session.h"
#include "export/package.h"
#include "platform/files.h"

namespace quantlab::client {

struct ModelSource {
  std::string folder;      // with config.json
  std::string short_name;  // for names of files: "quick-static_quant"
  model_export::ModelFacts facts;
  std::shared_ptr<ScratchFolder> downloaded;  // keeps `folder` where it was downloaded
};

// `source`: a folder with a saved model, a run's folder below a results folder, or EXPERIMENT/RUN, whose
// model is downloaded. RUN is a run's name or that of its folder. Errors: NOT_FOUND no such thing; those of
// the coordinator.
absl::StatusOr<ModelSource> FindModel(Session& session, const std::string& source);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_MODEL_SOURCE_H_
