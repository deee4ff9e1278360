# Writes OUTPUT, a header that names the commit of the sources in SOURCE; run by `cmake -P` at each build. The
# file changes only when the commit does, so that nothing is compiled again without need.
execute_process(COMMAND git -C ${SOURCE} rev-parse --show-toplevel
  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
file(REAL_PATH ${SOURCE} source)
# A copy within another project's checkout has no commit.
if(NOT failed AND top STREQUAL source)
  execute_process(COMMAND git -C ${SOURCE} rev-parse HEAD
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no
    OUTPUT_VARIABLE changes ERROR_QUIET)
  if(NOT changes STREQUAL "")
    string(APPEND commit " with local changes")
  endif()
endif()
if(failed OR NOT commit)
  set(commit "unknown: not built in a git checkout")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define QUANTLAB_SOURCE_COMMIT \"@commit@\"\n" @ONLY)
