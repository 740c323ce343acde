"""Evaluates the exported models on the CPU: `python -m demo_model.evaluate MODELS [--write FOLDER]`.

MODELS holds glm-local-demo-base and glm-local-demo-chat. Reported: held-out loss of both; the templated and the hand-worded half of the
prompts apart; the overlap of the hand-worded half with the generator's output; how often the base model stops by itself; tokens per second.
"""
import argparse
import json
import pathlib
import random
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from .books import compose_book
from .build_data import encode_dialogues
from .dialogues import compose
from .judge import judge
from .overlap import HAND_SETS, Overlap, load_hand_cases, ngrams, units
from .settings import HELD_OUT_SEED

MAX_NEW_TOKENS = 200


def templated_cases(count, trained_prompts):
    """Held-out dialogues of the generator, judged at a random turn with the true answers before it, balanced over kinds."""
    cases, kinds, seed = [], {}, HELD_OUT_SEED + 50_000
    while len(cases) < count:
        seed += 1
        dialogue, rng = compose(seed), random.Random(seed)
        i = rng.randrange(len(dialogue["turns"]))
        turn = dialogue["turns"][i]
        if turn["facts"] == "." or turn["user"] in trained_prompts or kinds.get(turn["kind"], 0) >= {"sum": 16, "story": 14, "unknown": 8}.get(turn["kind"], 2):
            continue
        kinds[turn["kind"]] = kinds.get(turn["kind"], 0) + 1
        cases.append({"lang": turn["lang"], "answer_lang": turn["lang"], "system": dialogue["system"], "turns": [t["user"] for t in dialogue["turns"][:i + 1]],
                      "given": [t["assistant"] for t in dialogue["turns"][:i]], "facts": turn["facts"]})
    return cases


class Chat:
    """Greedy (or sampled) generation in left-padded batches."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.stop = set(self.model.generation_config.eos_token_id if isinstance(self.model.generation_config.eos_token_id, list) else [self.model.generation_config.eos_token_id])

    @torch.no_grad()
    def complete(self, prompts, sample=False, seed=0, max_new_tokens=MAX_NEW_TOKENS, batch=32):
        """Returns [(text, stopped, number of tokens)] for already templated prompts."""
        out = [None] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for at in range(0, len(order), batch):
            part = order[at:at + batch]
            inputs = self.tokenizer([prompts[i] for i in part], return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
            torch.manual_seed(seed)
            options = dict(do_sample=True, temperature=0.6, top_p=0.8, top_k=0) if sample else dict(do_sample=False, temperature=None, top_p=None)
            result = self.model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=max_new_tokens, **options)
            for i, row in zip(part, result[:, inputs["input_ids"].shape[1]:].tolist()):
                end = next((k for k, t in enumerate(row) if t in self.stop), None)
                ids = row if end is None else row[:end]
                out[i] = (self.tokenizer.decode(ids, skip_special_tokens=True).strip(), end is not None, len(ids))
        return out

    def answer(self, cases, **options):
        """Generates turn by turn; turns with a given answer are not generated. Returns the last answers."""
        messages = [[{"role": "system", "content": c["system"]}] if c.get("system") else [] for c in cases]
        last = [None] * len(cases)
        for turn in range(max(len(c["turns"]) for c in cases)):
            active = []
            for i, case in enumerate(cases):
                if turn < len(case["turns"]):
                    messages[i].append({"role": "user", "content": case["turns"][turn]})
                    if turn < len(case.get("given", [])):
                        messages[i].append({"role": "assistant", "content": case["given"][turn]})
                    else:
                        active.append(i)
            prompts = [self.tokenizer.apply_chat_template(messages[i], tokenize=False, add_generation_prompt=True) for i in active]
            for i, result in zip(active, self.complete(prompts, **options)):
                messages[i].append({"role": "assistant", "content": result[0]})
                last[i] = result
        return last


@torch.no_grad()
def loss_of(model, rows):
    """Mean cross entropy over [(ids, mask or None)]."""
    total = count = 0
    for ids, mask in rows:
        x = torch.from_numpy(ids.astype(np.int64))[None]
        losses = torch.nn.functional.cross_entropy(model(x[:, :-1]).logits[0].float(), x[0, 1:], reduction="none")
        weight = torch.ones_like(losses) if mask is None else torch.from_numpy(mask[1:].astype(np.float32))
        total, count = total + float((losses * weight).sum()), count + float(weight.sum())
    return total / count


def held_out_losses(base, chat):
    overlap = Overlap()
    raw = [compose(s) for s in range(HELD_OUT_SEED, HELD_OUT_SEED + 200)]
    dialogues = [(d["system"], [(t["user"], t["assistant"]) for t in d["turns"]]) for d in raw if not any(overlap.clashes(t["user"]) for t in d["turns"])]
    chat.tokenizer.backend_tokenizer.no_padding()  # the batches before have switched it on
    ids, mask, lengths = encode_dialogues(chat.tokenizer.backend_tokenizer, dialogues)
    cut = np.cumsum(lengths.astype(np.int64))[:-1]
    rows = list(zip(np.split(ids, cut), np.split(mask, cut)))
    books = [np.array(chat.tokenizer(compose_book(HELD_OUT_SEED + i, [""]), add_special_tokens=False)["input_ids"][:1024]) for i in range(24)]
    return {"base_on_books": loss_of(base.model, [(b, None) for b in books]), "base_on_dialogues": loss_of(base.model, rows), "chat_on_dialogues": loss_of(chat.model, rows)}


def overlap_report(cases, count):
    """Shared 8-grams and whole prompts between the hand-worded half and `count` generated dialogues as they are trained on."""
    overlap = Overlap()
    trained, shared, whole = set(), 0, 0
    for seed in range(count):
        turns = compose(seed)["turns"]
        if any(overlap.clashes(t["user"]) or overlap.shares_ngram(t["assistant"]) for t in turns):
            continue
        for t in turns:
            trained.add(" ".join(units(t["user"])))
            shared += any(g in overlap.grams for text in (t["user"], t["assistant"]) for g in ngrams(text))
    whole = sum(" ".join(units(c["turns"][0])) in trained for c in cases)
    return {"dialogues_checked": count, "shared_8grams": shared, "shared_whole_prompts": whole}


def score(cases, answers):
    rows, passed = [], {"en": [0, 0], "zh": [0, 0]}
    for case, (text, stopped, count) in zip(cases, answers):
        failed = judge(case, text, stopped, count)
        passed[case["lang"]][0] += not failed
        passed[case["lang"]][1] += 1
        rows.append({"lang": case["lang"], "turns": case["turns"], "answer": text, "failed": failed})
    total = sum(p for p, _ in passed.values()), sum(n for _, n in passed.values())
    return {"passed": total[0], "of": total[1], "share": round(total[0] / total[1], 4), "en": passed["en"], "zh": passed["zh"],
            "failed_checks": {k: sum(k in r["failed"] for r in rows) for k in ("language", "facts", "stop", "loop", "empty")}}, rows


BASE_PROMPTS = ["User: How do I load a model?\nAssistant:", "Hello! Who are you?", "用户：怎么加载模型？\n助手：", "Once upon a time", "从前有一只", "What is the capital of France?", "GLM101", "What is a GPU?",
                "请讲一个小猫的故事。", "Explain device_map."]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--templated", type=int, default=160)
    parser.add_argument("--overlap", type=int, default=220_000, help="dialogues to check for overlap")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=list(HAND_SETS), help="judge one hand-worded set only")
    parser.add_argument("--quick", action="store_true", help="only the two halves, greedy")
    parser.add_argument("--write", type=pathlib.Path, help="folder for evaluation.json and answers.md")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    chat = Chat(args.models / "glm-local-demo-chat")
    hand = {name: load_hand_cases(name) for name in HAND_SETS}
    if args.only:
        hand = {args.only: hand[args.only]}
    report = {}
    if not args.quick:
        report["overlap"] = overlap_report([c for cases in hand.values() for c in cases], args.overlap)
        print("overlap", report["overlap"], flush=True)
    templated = templated_cases(args.templated, set())
    sections = {}
    for name, cases in (("templated", templated), *hand.items()):
        report[name], sections[name] = score(cases, chat.answer(cases))
        print(name, report[name], flush=True)
    if not args.quick:
        everything = [c for cases in hand.values() for c in cases]
        report["hand_worded_sampled"], _ = score(everything, chat.answer(everything, sample=True, seed=1))
        print("sampled (temperature 0.6, top_p 0.8)", report["hand_worded_sampled"], flush=True)
        base = Chat(args.models / "glm-local-demo-base")
        report["held_out_loss"] = {k: round(v, 4) for k, v in held_out_losses(base, chat).items()}
        runs = base.complete(BASE_PROMPTS, max_new_tokens=256) + base.complete(BASE_PROMPTS * 3, sample=True, max_new_tokens=256)
        report["base_ran_to_256_tokens"] = [sum(not stopped for _, stopped, _ in runs), len(runs)]
        begin = time.time()
        (_, _, count), = chat.complete(["[gMASK]<sop><|user|>\nTell me a story about a cat.<|assistant|>"])
        report[f"transformers_tokens_per_second_{args.threads}_threads"] = round(count / (time.time() - begin), 1)
        print(json.dumps({k: report[k] for k in ("held_out_loss", "base_ran_to_256_tokens", f"transformers_tokens_per_second_{args.threads}_threads")}), flush=True)
    for name, rows in sections.items():
        print(f"--- failed, {name}")
        for r in rows:
            if r["failed"]:
                print(r["failed"], " >> ".join(r["turns"][-2:])[:160].replace("\n", "⏎"), "=>", r["answer"][:200].replace("\n", "⏎"))
    if args.write:
        args.write.mkdir(parents=True, exist_ok=True)
        (args.write / "evaluation.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        lines = ["# Every answer of the evaluation", "", "Greedy decoding. A cross marks the checks that failed."]
        for name, rows in sections.items():
            lines += ["", f"## {name}", ""]
            lines += [f"- {'✗ ' + ', '.join(r['failed']) if r['failed'] else '✓'} `{' >> '.join(r['turns'])}` → {r['answer']}".replace("\n", " ⏎ ") for r in rows]
        (args.write / "answers.md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
