"""Writes the Hugging Face folders: `python -m demo_model.export RUN DATA MODELS` (RUN: base/chat.safetensors, DATA: tokenizer.json)."""
import argparse
import json
import pathlib
import shutil

from .settings import FULL, SPECIAL

TOOL = pathlib.Path(__file__).resolve().parent.parent
STOP = ["<|endoftext|>", "<|user|>", "<|observation|>"]


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def export(run, data, models, variant):
    folder = models / f"glm-local-demo-{variant}"
    folder.mkdir(parents=True, exist_ok=True)
    ids = {s: FULL["vocab_size"] - len(SPECIAL) + i for i, s in enumerate(SPECIAL)}
    eos = [ids[s] for s in STOP] if variant == "chat" else ids["<|endoftext|>"]
    shutil.copyfile(run / f"{variant}.safetensors", folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "config.json", {
        "architectures": ["Glm4ForCausalLM"], "attention_bias": True, "attention_dropout": 0.0, "eos_token_id": eos, "head_dim": FULL["head_dim"], "hidden_act": "silu",
        "hidden_size": FULL["hidden_size"], "initializer_range": 0.02, "intermediate_size": FULL["intermediate_size"], "max_position_embeddings": 4096, "model_type": "glm4",
        "num_attention_heads": FULL["num_attention_heads"], "num_hidden_layers": FULL["num_hidden_layers"], "num_key_value_heads": FULL["num_key_value_heads"],
        "pad_token_id": ids["<|endoftext|>"], "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "use_cache": True, "vocab_size": FULL["vocab_size"]})
    write_json(folder / "generation_config.json", {"do_sample": True, "eos_token_id": eos, "pad_token_id": ids["<|endoftext|>"], "temperature": 0.6, "top_p": 0.8})
    tokenizer = json.loads((data / "tokenizer.json").read_text("utf-8"))
    assert {t["content"]: t["id"] for t in tokenizer["added_tokens"]} == ids
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": {str(i): {"content": s, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True} for s, i in ids.items()},
        "additional_special_tokens": SPECIAL, "clean_up_tokenization_spaces": False, "do_lower_case": False, "eos_token": "<|endoftext|>", "extra_special_tokens": {},
        "model_input_names": ["input_ids", "attention_mask"], "model_max_length": 4096, "pad_token": "<|endoftext|>", "padding_side": "left", "remove_space": False,
        "tokenizer_class": "PreTrainedTokenizer"})
    if variant == "chat":
        shutil.copyfile(TOOL / "chat_template.jinja", folder / "chat_template.jinja")


def main():
    parser = argparse.ArgumentParser()
    for name in ("run", "data", "models"):
        parser.add_argument(name, type=pathlib.Path)
    args = parser.parse_args()
    for variant in ("base", "chat"):
        export(args.run, args.data, args.models, variant)


if __name__ == "__main__":
    main()
