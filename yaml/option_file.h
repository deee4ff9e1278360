// Options of a program in a YAML file. Each key is the name of a long option without its dashes, with '_' for
// '-':
//
//   listen: 127.0.0.1:7070         --listen=127.0.0.1:7070
//   require_auth: true             --require-auth=true
//   devices: [cpu, cuda]           --devices=cpu,cuda
#ifndef QUANTLAB_YAML_OPTION_FILE_H_
#define QUANTLAB_YAML_OPTION_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

inline constexpr int64_t kMaxOptionFileBytes = 64 << 10;

// The FILE of `--config FILE` or `--config=FILE`; empty if there is none.
std::string NamedOptionFile(const std::vector<std::string>& arguments);

// `arguments` (without the program's name) preceded by the options of the file. An option that `arguments`
// contain is not taken from the file. An empty value leaves the option at its default. `options`: the long
// names of the program's options, without dashes. The file may set all but --help, --version,
// --config and those that name file descriptors of the starting process (--…-fd). `file`: its name in
// messages. Errors: INVALID_ARGUMENT gives the file and the line.
absl::StatusOr<std::vector<std::string>> WithOptionFile(const std::vector<std::string>& arguments,
                                                        const std::vector<std::string>& options,
                                                        const std::string& file, const std::string& text);

}  // namespace quantlab

#endif  // QUANTLAB_YAML_OPTION_FILE_H_
