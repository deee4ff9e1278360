// The factory of each quantization method: one declaration per method, defined in the method's own file.
//
// Kept apart from method.h, and included only by the list (all_methods.cc) and by tests of a single method,
// so that adding a method recompiles nothing else of the engine. Everything else gets methods by name:
// MakeQuantizationMethod in method.h.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_ALL_METHODS_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_ALL_METHODS_H_

#include <memory>

#include "worker/engine/methods/method.h"

namespace quantlab::engine {

std::unique_ptr<QuantizationMethod> MakeDynamicQuantization();
std::unique_ptr<QuantizationMethod> MakeStaticQuantization();
std::unique_ptr<QuantizationMethod> MakeQat();
std::unique_ptr<QuantizationMethod> MakeFp32Continued();
std::unique_ptr<QuantizationMethod> MakeMixedPrecision();
std::unique_ptr<QuantizationMethod> MakeWeightOnly();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_ALL_METHODS_H_
