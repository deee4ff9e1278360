// Values of the text files below /proc.
#ifndef QUANTLAB_WORKER_ENGINE_MEASURE_PROC_FILE_H_
#define QUANTLAB_WORKER_ENGINE_MEASURE_PROC_FILE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantlab::engine {

// What stands after the colon in the first line that begins with `key`: "model name : Xeon" gives "Xeon".
// Empty where there is no such line or file.
std::string FirstLineValue(const std::string& path, absl::string_view key);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MEASURE_PROC_FILE_H_
