#!/bin/sh
# Takes out of a virtual environment what no program ever reads when it runs. README.md beside this file has the sizes.
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)
# Headers are for compilers.
rm -r "$packages/tensorflow/include" "$packages/pyarrow/include" "$packages/numpy/_core/include"
# The libraries' own tests; nothing but a test runner imports them.
find "$packages/numpy" "$packages/pandas" "$packages/pyarrow" "$packages/scipy" -type d -name tests -prune -exec rm -r {} +
# Sources that were compiled, static libraries, and types for editors.
find "$packages" -type f \( -name '*.a' -o -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.pyx' \) -delete
# Symbols for debuggers; what the dynamic loader needs stays. Libraries in *.libs were patched in ways that strip does not know.
find "$packages" -type f -name '*.so*' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
