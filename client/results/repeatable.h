// The files of an experiment as they are kept with its results, so that it can be run again from there.
#ifndef QUANTLAB_CLIENT_RESULTS_REPEATABLE_H_
#define QUANTLAB_CLIENT_RESULTS_REPEATABLE_H_

#include <vector>

#include "client/results/results.h"
#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {

// experiment.yaml first. It is the file as submitted where that stands alone and names itself; else the files
// as submitted are below source/, as they lay to each other, and experiment.yaml includes the main one and
// has the experiment's name. Paths to models and data in them stay as they were written. Source:
// v1::Experiment::files, of which the first is the main one and the others are named from where it lay.
std::vector<TextFile> RepeatableFiles(const v1::Experiment& experiment);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_REPEATABLE_H_
