# Functions that declare the project's libraries and tests.
#
#   quantlab_library(storage SOURCES a.cc b.cc PUBLIC quantlab::base PRIVATE SQLiteCpp)
#   quantlab_test(storage_test SOURCES a_test.cc DEPS quantlab::storage)
#
# A library is reachable as quantlab::<name>; its headers are included by their path from the project's
# root ("storage/artifact_store.h"). PRECOMPILED names the precompiled header to use (Precompiled.cmake).

function(quantlab_library name)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(quantlab_${name} STATIC ${ARG_SOURCES})
  add_library(quantlab::${name} ALIAS quantlab_${name})
  target_include_directories(quantlab_${name} PUBLIC ${CMAKE_SOURCE_DIR} PRIVATE ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(quantlab_${name} PUBLIC ${ARG_PUBLIC} PRIVATE quantlab_options ${ARG_PRIVATE})
  if(ARG_PRECOMPILED)
    quantlab_use_precompiled(quantlab_${name} ${ARG_PRECOMPILED})
  endif()
endfunction()

function(quantlab_program name)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE quantlab_options ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY QUANTLAB_PROGRAMS ${name})
  if(ARG_PRECOMPILED)
    quantlab_use_precompiled(${name} ${ARG_PRECOMPILED})
  endif()
endfunction()

# SERIAL: the tests of this binary share a resource (a fixed port, all cores) and run one at a time.
# PORTABLE: does not depend on the path of the sources, so that ccache can reuse its objects for a copy of them.
# WHOLE: one ctest entry for the whole binary, for binaries that are slow to start.
# UNINSTRUMENTED: calls gRPC or reads maps of protobuf. Debian builds both without ThreadSanitizer, which then takes gRPC's
# locks for none, and protobuf's headers lay maps out otherwise than the library: not built under it.
function(quantlab_test name)
  cmake_parse_arguments(ARG "SERIAL;PORTABLE;WHOLE;UNINSTRUMENTED" "TIMEOUT;PRECOMPILED" "SOURCES;DEPS" ${ARGN})
  if(NOT QUANTLAB_BUILD_TESTS OR (ARG_UNINSTRUMENTED AND QUANTLAB_SANITIZE MATCHES "thread"))
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE quantlab_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  if(NOT ARG_PORTABLE)
    target_compile_definitions(${name} PRIVATE QUANTLAB_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  endif()
  if(ARG_PRECOMPILED)
    quantlab_use_precompiled(${name} ${ARG_PRECOMPILED})
  endif()
  if(ARG_WHOLE)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} RUN_SERIAL "${ARG_SERIAL}")
  else()
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      PROPERTIES TIMEOUT ${ARG_TIMEOUT} RUN_SERIAL "${ARG_SERIAL}")
  endif()
endfunction()
