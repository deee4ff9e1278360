// Event lines: the JSON mapping of quantlab.v1.RunnerEvent, written without protobuf.
#ifndef QUANTLAB_WORKER_RUNNER_EVENT_JSON_H_
#define QUANTLAB_WORKER_RUNNER_EVENT_JSON_H_

#include <string>

#include "base/event.h"

namespace quantlab::runner {

// One line without its end. 64-bit integers are strings, NaN and infinities "NaN", "Infinity" and
// "-Infinity"; bytes that are no UTF-8 become U+FFFD. Numbers read back to the same double.
std::string EventToJson(const EventKind& event);
std::string EventToJson(const RunnerFinished& finished);

}  // namespace quantlab::runner

#endif  // QUANTLAB_WORKER_RUNNER_EVENT_JSON_H_
