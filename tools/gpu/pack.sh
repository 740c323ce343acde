#!/usr/bin/env bash
# pack.sh OUT: collects into OUT/runtime and OUT/provider what a bare Linux x64 GPU machine lacks. Needs npm, python3 with pip, xz and the network.
set -euo pipefail
out=${1:?usage: pack.sh OUT}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version() { node -p "require('$root/package.json').dependencies['$1']"; }
ort=$(version onnxruntime-node)
mkdir -p "$out/runtime" "$out/provider"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cp "$root/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1" "$scratch/"
xz -T0 -6 -c "$scratch/libonnxruntime.so.1" > "$out/runtime/libonnxruntime.so.1.xz"
xz -T0 -6 -c "$(node -p process.execPath)" > "$out/runtime/node.xz"
tar -C "$root/node_modules" -czf "$out/runtime/koffi.tgz" --exclude=koffi/doc koffi @koromix/koffi-linux-x64

# The CUDA provider is not in the npm package; the wheel of the same version has it.
python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --dest "$scratch" "onnxruntime-gpu==$ort"
python3 -m zipfile -e "$scratch"/onnxruntime_gpu-*.whl "$scratch/wheel"
for library in shared cuda; do
  xz -T0 -6 -c "$scratch/wheel/onnxruntime/capi/libonnxruntime_providers_$library.so" | split -b 20000000 -d - "$out/provider/$library."
done
(cd "$out/provider" && sha256sum ./* > ../runtime/provider.sha256)
du -a "$out"
