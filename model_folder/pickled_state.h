// The pickle of a state dict (data.pkl of a file that torch.save wrote), read without running anything.
#ifndef QUANTLAB_MODEL_FOLDER_PICKLED_STATE_H_
#define QUANTLAB_MODEL_FOLDER_PICKLED_STATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// One tensor of the dict: a view of a storage, which is a record of its own in the file.
struct PickledTensor {
  std::string name;
  std::string storage_type;  // "FloatStorage", "HalfStorage", …: PyTorch's class, which says the dtype
  std::string storage_key;   // the record is data/<key>
  int64_t offset = 0;        // in elements
  std::vector<int64_t> shape, strides;
};

// Reads pickles of protocol 2, as torch.save writes them, that build a dict (or OrderedDict) from text to
// tensors or parameters, and nothing else: any other class, and any other opcode, is refused by name, so
// nothing that a pickle could run is run. LibTorch's own unpickler reads no OrderedDict, which is what
// torch.save(model.state_dict()) writes.
// Source: Lib/pickletools.py of CPython (opcodes); torch/_utils.py (_rebuild_tensor_v2, _rebuild_parameter).
// Errors: INVALID_ARGUMENT says what is wrong (the message names no file).
absl::StatusOr<std::vector<PickledTensor>> ParsePickledState(absl::string_view pickle);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_PICKLED_STATE_H_
