#!/bin/sh
# Rewrites ../ptx from the kernels here: one text per kernel file and front end. Needs nvcc 13 on
# the path; the tests themselves read the committed texts. sm_80 and sm_90a come from NVVM 7,
# sm_100a from NVVM 20. Directories are cut from file names, so that the texts are the same anywhere.
set -eu
cd "$(dirname "$0")"
for kernel in *.cu ../../../benchmarks/emulator/kernels/conv.cu; do
  for arch in 80 90a 100a; do
    case "$kernel $arch" in  # they need Hopper, or are Hopper's alone
      "async.cu 80" | "proxies.cu 80" | "operands.cu 80" | "operands.cu 100a") continue ;;
    esac
    out="../ptx/$(basename "$kernel" .cu).sm_$arch.ptx"
    nvcc -ptx -lineinfo --fmad=false -arch=compute_$arch "$kernel" -o "$out"
    sed -i -E 's#^([[:space:]]*\.file[[:space:]]+[0-9]+ ")[^"]*/#\1#' "$out"
  done
done
