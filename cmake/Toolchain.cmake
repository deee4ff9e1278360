# Language level, warnings, sanitizers, ccache: the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
# Where installed programs find LibTorch, relative to the prefix (Install.cmake).
set(QUANTLAB_INSTALL_TORCH_DIR lib/quantlab/torch)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths below the sources count relative to them, so that what one checkout has compiled is found by
  # another: a second worktree, or the copy in which tests/docs/guides_test.py follows the guides.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})  # as precompiled headers need
endif()

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)

add_library(quantlab_options INTERFACE)
target_compile_options(quantlab_options INTERFACE -Wall -Wextra -Wno-unused-parameter)
# GCC 12 sees overlapping copies where a literal is assigned to a std::string (GCC bug 105651).
target_compile_options(quantlab_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# Results must not depend on which multiply-adds a compiler chose to fuse.
target_compile_options(quantlab_options INTERFACE -ffp-contract=off)

if(QUANTLAB_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(QUANTLAB_SANITIZE)
  add_compile_options(-fsanitize=${QUANTLAB_SANITIZE} -fno-omit-frame-pointer -g -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${QUANTLAB_SANITIZE})
endif()
if(QUANTLAB_THREAD_SAFETY)
  add_compile_options(-Wthread-safety -Werror=thread-safety)
endif()

if(QUANTLAB_BUILD_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
