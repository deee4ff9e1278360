// The elementwise functions between linear layers.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_ACTIVATION_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_ACTIVATION_H_

#include <ATen/core/Tensor.h>

#include "worker/engine/families/activation_names.h"

namespace quantlab::engine {

// x: [rows, width] float; returns the same shape.
//
// Without gradients on a CPU, each row's result depends on that row alone, bit for bit: ATen computes full
// vectors and the few elements left over at the end of a chunk by different code (they differ by some
// ULPs), and where chunks end depends on the number of rows and threads. So rows are never cut here.
at::Tensor Activate(Activation activation, const at::Tensor& x);

// The same values, written over x where that is possible (without gradients, on a CPU); x must be the
// caller's alone. Spares a second tensor of the widest shape of a model and a pass over it.
at::Tensor ActivateInPlace(Activation activation, at::Tensor x);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_ACTIVATION_H_
