#!/bin/sh
# Runs the compile command that follows, after removing the precompiled header that it makes. ccache writes to
# another file first, and GCC would read the old header while it makes the new one.
for arg; do
  case $arg in *.gch) rm -f "$arg" ;; esac
done
exec "$@"
