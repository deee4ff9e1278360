# Embeds texts in a program: the files become constants of one header.
#
#   quantlab_texts(HEADER report/page/texts.h NAMESPACE quantlab::report::page FILES script.js style.css)
#
# declares `extern const char kScript[]` and `kStyle[]`, named after the files without their extensions. The
# content is kept byte by byte. FILES are absolute or relative to the calling folder; the source file to compile
# is returned in ${NAME}_SOURCE.
#
#   quantlab_bilingual_texts(HEADER report/prose/prose.h NAMESPACE quantlab::report::prose FOLDER prose)
#
# declares `extern const Prose kName` for each FOLDER/en/name.md, which must have its FOLDER/zh/name.md. A text is
# one paragraph, whose lines are joined by a space in English. A Chinese text must be one line, because a line
# break within it would be rendered as a space.

function(_quantlab_constant_name out file)
  get_filename_component(stem ${file} NAME_WE)
  string(REPLACE "_" ";" words ${stem})
  set(name k)
  foreach(word ${words})
    string(SUBSTRING ${word} 0 1 first)
    string(SUBSTRING ${word} 1 -1 rest)
    string(TOUPPER ${first} first)
    string(APPEND name ${first}${rest})
  endforeach()
  set(${out} ${name} PARENT_SCOPE)
endfunction()

function(_quantlab_write_texts header namespace preamble declarations definitions)
  string(REGEX REPLACE "[/.]" "_" guard QUANTLAB_${header}_)
  string(TOUPPER ${guard} guard)
  set(path ${CMAKE_BINARY_DIR}/generated/${header})
  string(REGEX REPLACE "h$" "cc" source ${path})
  file(CONFIGURE OUTPUT ${path} @ONLY CONTENT
"// Made at configuration by cmake/Resources.cmake.
#ifndef @guard@
#define @guard@
@preamble@
namespace @namespace@ {

@declarations@
}  // namespace @namespace@

#endif  // @guard@
")
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"// Made at configuration by cmake/Resources.cmake.
#include \"@header@\"

namespace @namespace@ {

@definitions@
}  // namespace @namespace@
")
endfunction()

function(quantlab_texts name)
  cmake_parse_arguments(ARG "" "HEADER;NAMESPACE" "FILES" ${ARGN})
  set(declarations "")
  set(definitions "")
  foreach(file ${ARG_FILES})
    _quantlab_constant_name(constant ${file})
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE path)
    file(READ ${path} text)
    string(APPEND declarations "extern const char ${constant}[];\n")
    string(APPEND definitions "const char ${constant}[] = R\"text(${text})text\";\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  endforeach()
  _quantlab_write_texts(${ARG_HEADER} ${ARG_NAMESPACE} "" "${declarations}" "${definitions}")
  string(REGEX REPLACE "h$" "cc" source ${CMAKE_BINARY_DIR}/generated/${ARG_HEADER})
  set(${name}_SOURCE ${source} PARENT_SCOPE)
endfunction()

# The text of a file as one line.
function(_quantlab_paragraph out file break)
  file(READ ${file} text)
  string(REGEX REPLACE "\n+$" "" text "${text}")
  if(break STREQUAL "" AND text MATCHES "\n")
    message(FATAL_ERROR "${file}: write the paragraph on one line")
  endif()
  string(REPLACE "\n" "${break}" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

function(quantlab_bilingual_texts name)
  cmake_parse_arguments(ARG "" "HEADER;NAMESPACE;FOLDER;PROSE" "" ${ARGN})
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_FOLDER})
  file(GLOB english RELATIVE ${folder}/en CONFIGURE_DEPENDS ${folder}/en/*.md)
  file(GLOB chinese RELATIVE ${folder}/zh CONFIGURE_DEPENDS ${folder}/zh/*.md)
  if(NOT english STREQUAL chinese)
    message(FATAL_ERROR "${folder}: en has ${english}, zh has ${chinese}; write the missing texts")
  endif()
  set(declarations "")
  set(definitions "")
  foreach(file ${english})
    _quantlab_constant_name(constant ${file})
    _quantlab_paragraph(en ${folder}/en/${file} " ")
    _quantlab_paragraph(zh ${folder}/zh/${file} "")
    string(APPEND declarations "extern const Prose ${constant};\n")
    string(APPEND definitions
      "static_assert(SameArguments(R\"text(${en})text\", R\"text(${zh})text\"), \"${file}\");\n")
    string(APPEND definitions "const Prose ${constant} = {R\"text(${en})text\", R\"text(${zh})text\"};\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/en/${file} ${folder}/zh/${file})
  endforeach()
  _quantlab_write_texts(${ARG_HEADER} ${ARG_NAMESPACE} "#include \"${ARG_PROSE}\"\n" "${declarations}"
    "${definitions}")
  string(REGEX REPLACE "h$" "cc" source ${CMAKE_BINARY_DIR}/generated/${ARG_HEADER})
  set(${name}_SOURCE ${source} PARENT_SCOPE)
endfunction()
