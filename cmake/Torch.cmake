# quantlab::torch, an imported target made from the include and lib folders of the torch wheel.
#
# The wheel's own TorchConfig.cmake requires the whole CUDA toolkit for a CUDA build, which users with only
# a driver lack. CUDA's libraries are linked although none of their symbols is referenced, because they
# register their kernels when they are loaded (hence --no-as-needed).
set(QUANTLAB_TORCH_ROOT "" CACHE PATH "The torch folder of an installed wheel (…/site-packages/torch)")
if(NOT QUANTLAB_TORCH_ROOT)
  if(DEFINED ENV{QUANTLAB_TORCH_ROOT})
    set(QUANTLAB_TORCH_ROOT $ENV{QUANTLAB_TORCH_ROOT})
  else()
    file(GLOB _found ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
    list(POP_FRONT _found QUANTLAB_TORCH_ROOT)
  endif()
endif()
if(NOT EXISTS "${QUANTLAB_TORCH_ROOT}/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR
    "LibTorch was not found. Run scripts/setup.sh, or set QUANTLAB_TORCH_ROOT to the torch folder of an "
    "installed wheel, or configure with -DQUANTLAB_WITH_TORCH=OFF (preset no-torch).")
endif()

set(_torch_lib ${QUANTLAB_TORCH_ROOT}/lib)
# For Install.cmake and Packages.cmake, which other folders include.
set_property(GLOBAL PROPERTY QUANTLAB_TORCH_FOLDER ${QUANTLAB_TORCH_ROOT})
add_library(quantlab_torch INTERFACE)
add_library(quantlab::torch ALIAS quantlab_torch)
target_include_directories(quantlab_torch SYSTEM INTERFACE
  ${QUANTLAB_TORCH_ROOT}/include ${QUANTLAB_TORCH_ROOT}/include/torch/csrc/api/include)
set(_torch_libraries ${_torch_lib}/libtorch.so ${_torch_lib}/libtorch_cpu.so ${_torch_lib}/libc10.so)
if(EXISTS ${_torch_lib}/libtorch_cuda.so)
  list(APPEND _torch_libraries ${_torch_lib}/libtorch_cuda.so ${_torch_lib}/libc10_cuda.so)
  target_compile_definitions(quantlab_torch INTERFACE QUANTLAB_TORCH_CUDA=1)
  set(QUANTLAB_TORCH_HAS_CUDA ON)
  set_property(GLOBAL PROPERTY QUANTLAB_TORCH_IS_CUDA ON)
endif()
# at::parallel_for is inline code over OpenMP, and serial without it. The runtime is the wheel's own, so
# that the process has one pool of threads.
file(GLOB _torch_openmp ${_torch_lib}/libgomp*.so* ${QUANTLAB_TORCH_ROOT}/../torch.libs/libgomp*.so*)
if(NOT _torch_openmp)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  set(_torch_openmp ${OpenMP_gomp_LIBRARY})
endif()
list(GET _torch_openmp 0 _torch_openmp)
target_compile_options(quantlab_torch INTERFACE -fopenmp)
list(APPEND _torch_libraries ${_torch_openmp})
# CMake adds the folder to the RUNPATH of programs in the build folder, and replaces it when they are installed.
target_link_options(quantlab_torch INTERFACE "LINKER:-rpath-link,${_torch_lib}")
# libstdc++ before LibTorch, which exports its own old std::filesystem: if the symbols of one were used with the
# inline code of the other, programs built with newer compilers would crash.
target_link_libraries(quantlab_torch INTERFACE
  -Wl,--no-as-needed -lstdc++ ${_torch_libraries} -Wl,--as-needed Threads::Threads)
