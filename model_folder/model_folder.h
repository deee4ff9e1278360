// What a model folder in the Hugging Face layout may and must contain.
//
// One description for all who handle such a folder: the client uploads ModelFiles, the coordinator plans runs
// with what passes MissingFromModel, and the runner reads what CheckModelFolder accepts.
#ifndef QUANTLAB_MODEL_FOLDER_MODEL_FOLDER_H_
#define QUANTLAB_MODEL_FOLDER_MODEL_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model_folder/safetensors_header.h"

namespace quantlab {

// What a folder may hold of its tokenizer; which of them is there depends on the model family.
inline constexpr const char* kTokenizerFiles[] = {"vocab.txt",
                                                  "vocab.json",
                                                  "merges.txt",
                                                  "tokenizer.json",
                                                  "tokenizer_config.json",
                                                  "special_tokens_map.json",
                                                  "added_tokens.json"};

// The layout in a few words, for messages that ask for a model.
extern const char kModelLayout[];

// Those of a folder's files (paths relative to it, with '/') that a worker needs: configuration, vocabulary,
// safetensors; pytorch_model.bin where there are no safetensors.
std::vector<std::string> ModelFiles(const std::vector<std::string>& paths);

// "" where files of these names make a model, else what is missing and the remedy, to follow the folder's
// name: "lacks config.json; …".
std::string MissingFromModel(const std::vector<std::string>& paths);

// Checks the files that must be there, config.json, the weights' headers, the shards against their index.
// Whether they fit each other is for worker/engine/input_checks. Errors: INVALID_ARGUMENT names the file that
// is missing, or what is wrong with it.
absl::Status CheckModelFolder(const std::string& folder);

// The first bytes of a pytorch_model.bin and whether it has an end: INVALID_ARGUMENT names the path and what
// it is instead.
absl::Status CheckPickleFile(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_MODEL_FOLDER_H_
