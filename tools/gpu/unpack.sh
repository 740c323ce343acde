#!/usr/bin/env bash
# unpack.sh IN TARGET: lays out what IN holds (runtime/, parts of provider/) and, once everything is there, prints the environment to use.
set -euo pipefail
in=${1:?usage: unpack.sh IN TARGET}
target=${2:?usage: unpack.sh IN TARGET}
mkdir -p "$target/lib" "$target/parts" "$target/node_modules"
if [ -d "$in/runtime" ]; then
  xz -dc "$in/runtime/libonnxruntime.so.1.xz" > "$target/lib/libonnxruntime.so.1"
  xz -dc "$in/runtime/node.xz" > "$target/node"
  chmod +x "$target/node"
  tar -C "$target/node_modules" -xzf "$in/runtime/koffi.tgz"
  cp "$in/runtime/provider.sha256" "$target/parts/"
fi
[ ! -d "$in/provider" ] || cp "$in"/provider/* "$target/parts/"
if [ ! -f "$target/parts/provider.sha256" ] || ! (cd "$target/parts" && sha256sum --check --quiet provider.sha256 > /dev/null 2>&1); then
  echo "more parts are needed" >&2
  exit 0
fi
for library in shared cuda; do
  [ -f "$target/lib/libonnxruntime_providers_$library.so" ] || cat "$target/parts/$library".* | xz -dc > "$target/lib/libonnxruntime_providers_$library.so"
done
folders=$(python3 - <<'PYTHON'
import glob, os, site, sysconfig
roots = {sysconfig.get_path("purelib"), *site.getsitepackages()}
print(":".join(sorted(f for root in roots for f in glob.glob(os.path.join(root, "nvidia", "*", "lib")))))
PYTHON
)
echo "export PATH=$target:\$PATH NODE_PATH=$target/node_modules ORT_ENABLE_XQA=0 GLM_ORT_LIBRARY=$target/lib/libonnxruntime.so.1 LD_LIBRARY_PATH=$target/lib:$folders"
