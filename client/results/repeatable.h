// The files of an experiment as stored with its results, so that it can be run again from there.
#ifndef QUANTLAB_CLIENT_RESULTS_REPEATABLE_H_
#define QUANTLAB_CLIENT_RESULTS_REPEATABLE_H_

#include <vector>

#include "client/results/results.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// experiment.yaml first. It is the submitted file if that has no includes and sets its own name. Otherwise
// the submitted files are below source/, in the same relative positions, and experiment.yaml includes the
// main one and sets the experiment's name. Paths to models and data are not changed. Source:
// v1::Experiment::files, where the first is the main file and the names of the others are relative to its
// folder.
std::vector<TextFile> RepeatableFiles(const v1::Experiment& experiment);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_REPEATABLE_H_
