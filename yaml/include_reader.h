// An experiment file with the files that it includes, as one tree.
#ifndef QUANTLAB_YAML_INCLUDE_READER_H_
#define QUANTLAB_YAML_INCLUDE_READER_H_

#include <optional>
#include <string>
#include <vector>

#include "base/records/records.h"
#include "yaml/yaml_tree.h"

namespace quantlab {

// `files`: the experiment first, then what it includes; at least one. A file is laid over those that it
// includes. Problems go to `diagnostics`; the result is absent where there is no tree.
std::optional<YamlNode> ReadWithIncludes(const std::vector<SourceFile>& files, Diagnostics& diagnostics);

// The name of a file that another one includes: relative to it, without "." and "..".
//   ResolveInclude("configs/a.yaml", "../b.yaml") == "b.yaml"
std::string ResolveInclude(const std::string& includer, const std::string& included);

}  // namespace quantlab

#endif  // QUANTLAB_YAML_INCLUDE_READER_H_
