#!/usr/bin/env bash
# Makes the demo model from nothing: data, tokenizer, both trainings, export, evaluation, loss curve.
#   tools/demo-model/train.sh [WORK_FOLDER]
# One GPU is enough (about 5 minutes on an H100); on a CPU pass MICRO=1 to try every step with a very small model.
# A slice that runs out of SLICE_SECONDS saves its state; run the script again and it goes on from there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-"$here/.work"}
python=${PYTHON:-python3}
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$here"

if [[ ! -f $work/data/data.json ]]; then
  if [[ -n ${MICRO:-} ]]; then count=(--dialogues 3000 --books 200); else count=(); fi
  "$python" -m demo_model.build_data "$work/data" "${count[@]}"
fi

if [[ ! -f $work/out/chat.safetensors ]]; then
  if [[ -n ${MICRO:-} ]]; then options=(--micro --rows 2 --pretrain-steps 20 --chat-steps 20 --log-every 5)
  else options=(--compile --pretrain-steps "${PRETRAIN_STEPS:-3600}" --chat-steps "${CHAT_STEPS:-4100}" --log-every 100); fi
  if [[ -f $work/out/progress.json ]]; then
    rm -rf "$work/last" && mv "$work/out" "$work/last"
    options+=(--resume "$work/last")
  fi
  "$python" -m demo_model.train "$work/data" "$work/out" --slice-seconds "${SLICE_SECONDS:-460}" "${options[@]}"
  [[ -f $work/out/chat.safetensors ]] || { echo "slice ended: run this script again to go on"; exit 3; }
fi

[[ -z ${MICRO:-} ]] || { echo "micro run complete"; exit 0; }
"$python" -m demo_model.export "$work/out" "$work/data" "$work/models"
"$python" -m demo_model.loss_curve "$work/out/loss.csv" "$work/models/glm-local-demo-chat"
"$python" -m demo_model.evaluate "$work/models" --write "$here/eval"
"$python" -m demo_model.card "$work/models" "$work/data"
echo "models in $work/models"
