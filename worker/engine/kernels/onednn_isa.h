// The limit that a user sets on the instruction sets of oneDNN, which our own kernels keep too: one variable
// then plays a lesser CPU for everything.
#ifndef QUANTLAB_WORKER_ENGINE_KERNELS_ONEDNN_ISA_H_
#define QUANTLAB_WORKER_ENGINE_KERNELS_ONEDNN_ISA_H_

#include <string>

namespace quantlab::engine {

// The value of ONEDNN_MAX_CPU_ISA, or of DNNL_MAX_CPU_ISA, its older name, in capitals; empty where neither
// is set, or where it is a word that limits nothing (ALL, DEFAULT). As oneDNN reads them: the first that is
// set, in either case. Source: oneDNN's documentation, "CPU Dispatcher Control".
std::string OneDnnMaxCpuIsa();

// Keeps the kernels that Highway chooses for the CPU to that limit; to be called before each choice, of which
// only the first reads the limit. Threads: safe.
void LimitHighway();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_KERNELS_ONEDNN_ISA_H_
