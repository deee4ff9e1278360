// What makes each quantization method: one declaration a method, defined in the method's own file.
//
// They stand apart from method.h, and only the list (all_methods.cc) and tests of a single method include
// this file, so that a new method compiles itself and the list, and nothing else of the engine. Everyone
// else asks by name: MakeQuantizationMethod in method.h.
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
