"""Times Hugging Face transformers by the rules of GLM Local's benchmark.

Usage: python transformers_peer.py SPEC.json

Same prompt token ids, the same number of new tokens with EOS held off, greedy, inputs on the model's device, warm-up not counted.
Every line for the caller starts with the marker below and holds one JSON object; anything else that libraries print is ignored.
"""

import hashlib
import importlib.util
import json
import os
import struct
import sys
import time

MARKER = "@glm-local "


def tell(event, **fields):
    sys.stdout.write(MARKER + json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def now_ms():
    return time.perf_counter() * 1000.0


class TokenClock:
    """A streamer that notes when each generated token reached the host. The prompt comes first and is not counted."""

    def __init__(self):
        self.times_ms = []
        self.ids = []
        self.seen_prompt = False

    def put(self, value):
        if not self.seen_prompt:
            self.seen_prompt = True
            return
        ids = value.reshape(-1).tolist()
        self.times_ms.extend([now_ms()] * len(ids))
        self.ids.extend(ids)

    def end(self):
        pass


def load(spec, torch):
    from transformers import AutoModelForCausalLM

    dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[spec["dtype"]]
    device = spec.get("device") or ("cuda:0" if torch.cuda.is_available() else "cpu")
    if spec.get("threads"):
        torch.set_num_threads(int(spec["threads"]))
    # Straight to the GPU where accelerate is at hand; otherwise through main memory.
    placement = {"device_map": device} if device != "cpu" and importlib.util.find_spec("accelerate") else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=dtype, **placement)
    except TypeError:
        model = AutoModelForCausalLM.from_pretrained(spec["model"], torch_dtype=dtype, **placement)
    return (model if placement else model.to(device)).eval()


def peak_memory(torch, device):
    peaks = {}
    if device.type == "cuda":
        peaks[str(device)] = torch.cuda.max_memory_allocated(device)
    try:
        import resource

        # Kilobytes on Linux, bytes on macOS.
        scale = 1 if sys.platform == "darwin" else 1024
        peaks["cpu"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    except ImportError:
        pass
    return peaks


def variant_options(variant, device):
    if variant == "eager":
        return {"disable_compile": True}
    options = {"cache_implementation": "static"}
    try:
        from transformers import CompileConfig

        compile_config = CompileConfig(fullgraph=False, mode="reduce-overhead")
        if device.type == "cpu":
            # transformers compiles on GPUs by itself and elsewhere only when told so.
            compile_config._compile_all_devices = True
        options["compile_config"] = compile_config
    except ImportError:
        pass
    return options


def generate(torch, model, ids, new_tokens, options):
    """One run. `ids` lies on the host; moving it to the model's device is part of the time, as it is for a user."""
    device = model.device
    clock = TokenClock()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started_ms = now_ms()
    input_ids = ids.to(device)
    attention_mask = torch.ones_like(input_ids)
    with torch.inference_mode():
        model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            min_new_tokens=new_tokens,
            max_new_tokens=new_tokens,
            do_sample=False,
            streamer=clock,
            **options,
        )
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    total_ms = now_ms() - started_ms
    return [each - started_ms for each in clock.times_ms], total_ms, clock.ids


def hash_ids(ids):
    return hashlib.sha256(b"".join(struct.pack("<I", each) for each in ids)).hexdigest()


def measure(torch, spec, model, variant):
    options = variant_options(variant, model.device)
    warming_since_ms = now_ms()
    # A compiled model compiles again when it first sees a length, and records its graphs in the runs after that.
    warmup_runs = max(spec["warmupRuns"], 3) if variant == "compiled" else spec["warmupRuns"]
    tell("warming", variant=variant, warmupRuns=warmup_runs)
    for case in spec["cases"]:
        ids = torch.tensor([case["promptIds"]], dtype=torch.long)
        for run in range(warmup_runs + spec["repetitions"]):
            times_ms, total_ms, new_ids = generate(torch, model, ids, case["newTokens"], options)
            is_counted = run >= warmup_runs
            if is_counted and warming_since_ms is not None:
                warming_ms = now_ms() - warming_since_ms - total_ms
                warming_since_ms = None
                tell("warm", variant=variant, warmingMs=warming_ms, isCompiled=getattr(model, "_compiled_call", None) is not None)
            tell(
                "run",
                variant=variant,
                case=case["name"],
                isCounted=is_counted,
                tokenTimesMs=times_ms,
                totalMs=total_ms,
                generatedTokens=len(new_ids),
                idsHash=hash_ids(new_ids),
                peakMemoryBytes=peak_memory(torch, model.device),
            )


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import torch
        import transformers
    except ImportError as error:
        tell("failed", reason=f"{error} (Python {sys.version.split()[0]} at {sys.executable})", missing=True)
        return 0
    transformers.logging.set_verbosity_error()
    started_ms = now_ms()
    model = load(spec, torch)
    tell(
        "ready",
        python=sys.version.split()[0],
        torch=torch.__version__,
        transformers=transformers.__version__,
        device=str(model.device),
        deviceName=torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        attention=getattr(model.config, "_attn_implementation", "unknown"),
        loadMs=now_ms() - started_ms,
    )
    for variant in spec["variants"]:
        try:
            if variant == "compiled" and hasattr(model, "_compiled_call"):
                model._compiled_call = None
            measure(torch, spec, model, variant)
        except Exception as error:  # what a variant can't do must not cost the others
            tell("variant-failed", variant=variant, reason=f"{type(error).__name__}: {error}"[:600])
    tell("end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
