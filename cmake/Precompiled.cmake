# Precompiled headers of the two big libraries, LibTorch and gRPC with the generated contract. Parsing them
# takes most of the time of a file that includes them.
#
#   quantlab_precompiled(torch HEADERS <ATen/ATen.h> … LINK quantlab::torch)   declares a set, once
#   quantlab_use_precompiled(models torch)                                     a target reads it
#   OPTIONS -O1                                                                in a declaration: for the header and its readers
#
# A file must still include what it uses: `-DQUANTLAB_PRECOMPILED=OFF` builds without them.
option(QUANTLAB_PRECOMPILED "Precompile the headers of LibTorch and gRPC" ON)

function(quantlab_precompiled name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK;OPTIONS" ${ARGN})
  if(NOT QUANTLAB_PRECOMPILED)
    return()
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/precompiled_${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "// Compiled only so that its precompiled header exists.\n")
  add_library(quantlab_precompiled_${name} OBJECT ${source})
  target_include_directories(quantlab_precompiled_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(quantlab_precompiled_${name} PRIVATE quantlab_options ${ARG_LINK})
  # ccache needs this to find what a precompiled header replaces.
  target_compile_options(quantlab_precompiled_${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  # GCC fails where a reader is optimized otherwise than the header.
  target_compile_options(quantlab_precompiled_${name} PUBLIC ${ARG_OPTIONS})
  target_precompile_headers(quantlab_precompiled_${name} PRIVATE ${ARG_HEADERS})
  set_target_properties(quantlab_precompiled_${name} PROPERTIES
    CXX_COMPILER_LAUNCHER "${CMAKE_SOURCE_DIR}/cmake/compile_precompiled.sh;${CMAKE_CXX_COMPILER_LAUNCHER}")
endfunction()

function(quantlab_use_precompiled target name)
  if(NOT QUANTLAB_PRECOMPILED OR NOT TARGET ${target})
    return()
  endif()
  # GCC takes a precompiled header only where -fPIC is given as it was for the header; programs have -fPIE.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> -fPIC
    $<TARGET_PROPERTY:quantlab_precompiled_${name},INTERFACE_COMPILE_OPTIONS>)
  target_precompile_headers(${target} REUSE_FROM quantlab_precompiled_${name})
endfunction()
