"""Pretrains the base model, fine-tunes the chat model: `python -m demo_model.train DATA OUT`.

One process does both; a slice that runs out of time saves its state and the next call goes on from it (`--resume`).
Only torch, numpy, safetensors and transformers are needed, so that the GPU machine can run it bare.
"""
import argparse
import csv
import json
import math
import pathlib
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import Glm4ForCausalLM

from .build_data import load
from .settings import FULL, MICRO, ROW_TOKENS, SPECIAL, glm4_config

PART_BYTES = 15 * 2**20


class PretrainBatches:
    """Random rows of the concatenated books, plain causal attention."""

    def __init__(self, ids, device, seed):
        self.ids = torch.from_numpy(ids.astype(np.int32)).to(device)
        self.generator = torch.Generator().manual_seed(seed)

    def next(self, rows):
        starts = torch.randint(0, len(self.ids) - ROW_TOKENS - 1, (rows,), generator=self.generator).to(self.ids.device)
        x = self.ids[starts[:, None] + torch.arange(ROW_TOKENS + 1, device=self.ids.device)].long()
        return x[:, :-1], x[:, 1:], None, None


class ChatBatches:
    """Whole dialogues packed into rows; each sees only itself, and only the assistant's tokens count."""

    def __init__(self, ids, mask, lengths, device, seed):
        self.data = (ids, mask, lengths, np.concatenate([[0], np.cumsum(lengths.astype(np.int64))]))
        self.device, self.rng = device, np.random.default_rng(seed)
        self.rows, self.position, self.epoch = None, 0, 0

    def _pack(self):
        ids, mask, lengths, offsets = self.data
        order = self.rng.permutation(len(lengths))
        width, rows, fill, row = ROW_TOKENS + 1, [], 0, []
        for i in order:
            if fill + lengths[i] > width:
                rows.append(row)
                row, fill = [], 0
            row.append(i)
            fill += int(lengths[i])
        x = np.zeros((len(rows), width), np.int32)
        keep, doc, pos = np.zeros((len(rows), width), np.uint8), np.full((len(rows), width), -1, np.int16), np.zeros((len(rows), width), np.int16)
        for r, row in enumerate(rows):
            at = 0
            for k, i in enumerate(row):
                n = int(lengths[i])
                x[r, at:at + n], keep[r, at:at + n] = ids[offsets[i]:offsets[i] + n], mask[offsets[i]:offsets[i] + n]
                doc[r, at:at + n], pos[r, at:at + n] = k, np.arange(n)
                at += n
        self.rows = [torch.from_numpy(a).to(self.device) for a in (x, keep, doc, pos)]
        self.position, self.epoch = 0, self.epoch + 1

    def next(self, rows):
        if self.rows is None or self.position + rows > len(self.rows[0]):
            self._pack()
        x, keep, doc, pos = (a[self.position:self.position + rows] for a in self.rows)
        self.position += rows
        x, doc, pos = x.long(), doc[:, :-1], pos[:, :-1].long()
        labels = torch.where(keep[:, 1:].bool(), x[:, 1:], -100)
        causal = torch.ones(ROW_TOKENS, ROW_TOKENS, dtype=torch.bool, device=x.device).tril()
        allowed = (doc[:, :, None] == doc[:, None, :]) & causal
        return x[:, :-1], labels, allowed[:, None], pos


def forward_loss(model, x, labels, attention_mask, position_ids):
    hidden = model.model(input_ids=x, attention_mask=attention_mask, position_ids=position_ids, use_cache=False).last_hidden_state
    if attention_mask is not None:  # only the counted positions go through the head
        kept = labels != -100
        hidden, labels = hidden[kept], labels[kept]
    logits = model.lm_head(hidden).float()
    return torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.reshape(-1))


def make_optimizer(model, peak_rate, fused):
    decay = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=peak_rate, betas=(0.9, 0.98), eps=1e-8, fused=fused)


def rate_factor(fraction, warmup=0.03):
    return fraction / warmup if fraction < warmup else 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (fraction - warmup) / (1 - warmup)))


def save_parts(folder, tensors):
    """Writes named tensors to state-N.safetensors, none over PART_BYTES."""
    part, size, index = {}, 0, 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if part and size + tensor.nbytes > PART_BYTES:
            save_file(part, folder / f"state-{index}.safetensors")
            part, size, index = {}, 0, index + 1
        part[name], size = tensor, size + tensor.nbytes
    save_file(part, folder / f"state-{index}.safetensors")


def save_state(folder, model, optimizer, progress):
    tensors = {"w/" + n: p for n, p in model.named_parameters()}
    for n, p in model.named_parameters():
        state = optimizer.state.get(p, {})
        for key in ("exp_avg", "exp_avg_sq"):
            if key in state:
                tensors[f"{key}/{n}"] = state[key].to(torch.bfloat16)
    save_parts(folder, tensors)
    (folder / "progress.json").write_text(json.dumps(progress))


def load_state(folder, model, make):
    tensors = {}
    for path in sorted(folder.glob("state-*.safetensors")):
        tensors.update(load_file(path))
    named = dict(model.named_parameters())
    with torch.no_grad():
        for n, p in named.items():
            p.copy_(tensors["w/" + n])
    optimizer = make()
    progress = json.loads((folder / "progress.json").read_text())
    for n, p in named.items():
        if f"exp_avg/{n}" in tensors:
            optimizer.state[p] = {"step": torch.tensor(float(progress["step"]), device=p.device if p.is_cuda else None),
                                  **{k: tensors[f"{k}/{n}"].to(p.device, torch.float32) for k in ("exp_avg", "exp_avg_sq")}}
    return optimizer, progress


@torch.no_grad()
def held_out_loss(model, batches, rows, num_batches, autocast):
    total = 0.0
    for _ in range(num_batches):
        with autocast():
            total += forward_loss(model, *batches.next(rows)).item()
    return total / num_batches


def export_weights(model, path):
    """bf16 safetensors with Hugging Face names; the tied lm_head is left out."""
    save_file({n: p.detach().to(torch.bfloat16).cpu().contiguous() for n, p in model.named_parameters() if n != "lm_head.weight"}, path, metadata={"format": "pt"})


def train_phase(name, model, batches, held, args, log, autocast, optimizer=None, done=0):
    """Runs one phase for `seconds`, or for a given number of steps; the schedule follows the fraction done.

    Returns (finished, optimizer, steps done, steps planned)."""
    seconds, steps = (args.pretrain_seconds, args.pretrain_steps) if name == "pretrain" else (args.chat_seconds, args.chat_steps)
    peak = args.pretrain_rate if name == "pretrain" else args.chat_rate
    optimizer = optimizer or make_optimizer(model, peak, next(model.parameters()).is_cuda)
    model.train()
    begin, step, losses, fraction_time = None, done, [], 0.0
    while True:
        if begin is None and (step - done >= 8 or steps):  # the first steps compile; they don't count as time
            begin = time.time()
        elapsed = 0.0 if begin is None else time.time() - begin
        if step % 10 == 0:
            fraction_time = elapsed / seconds
        fraction = step / steps if steps else fraction_time
        if fraction >= 1:
            break
        if time.time() > args.deadline:
            return False, optimizer, step, steps
        for group in optimizer.param_groups:
            group["lr"] = peak * rate_factor(fraction, 0.03 if name == "pretrain" else 0.02)
        with autocast():
            loss = forward_loss(model, *batches.next(args.rows))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        step += 1
        if step % args.log_every == 0:
            mean = torch.stack(losses).mean().item()
            losses = []
            rate = 0 if begin is None or step == done else (step - done - (0 if steps else 8)) * args.rows * ROW_TOKENS / max(time.time() - begin, 1e-6)
            log.append((name, step, round(fraction, 4), round(mean, 4), ""))
            print(f"{name} step {step} {fraction:.3f} loss {mean:.4f} {rate / 1e3:.0f} k tok/s", flush=True)
    model.eval()
    loss = held_out_loss(model, held, min(args.rows, 16), 8, autocast)
    log.append((name, step, 1.0, "", round(loss, 4)))
    print(f"{name}: {step} steps of {args.rows * ROW_TOKENS} tokens, held-out loss {loss:.4f}", flush=True)
    return True, optimizer, step, step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--micro", action="store_true", help="a very small model, to try the program on a CPU")
    parser.add_argument("--pretrain-seconds", type=float, default=150)
    parser.add_argument("--chat-seconds", type=float, default=150)
    parser.add_argument("--pretrain-steps", type=int, default=0, help="instead of a time")
    parser.add_argument("--chat-steps", type=int, default=0)
    parser.add_argument("--pretrain-rate", type=float, default=3e-3)
    parser.add_argument("--chat-rate", type=float, default=2e-3)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--slice-seconds", type=float, default=460, help="save the state and stop after this time")
    parser.add_argument("--resume", type=pathlib.Path, help="folder of an earlier slice")
    parser.add_argument("--base", type=pathlib.Path, help="skip pretraining: base.safetensors of an earlier run")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.deadline = time.time() + args.slice_seconds
    args.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    shape = MICRO if args.micro else FULL
    special = {s: shape["vocab_size"] - len(SPECIAL) + i for i, s in enumerate(SPECIAL)}
    config = glm4_config(shape, special)
    config._attn_implementation = "sdpa"
    model = Glm4ForCausalLM(config).float().to(device)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters on {device}", flush=True)
    if args.compile:
        for layer in model.model.layers:
            layer.compile(dynamic=False)

    def autocast():
        return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")

    books, chats = load(args.data / "books.npz.xz"), load(args.data / "dialogues.npz.xz")
    pretrain = PretrainBatches(books["ids"], device, args.seed)
    held_pretrain = PretrainBatches(books["held_ids"], device, 7)
    chat = ChatBatches(chats["ids"], chats["mask"], chats["lengths"], device, args.seed)
    held_chat = ChatBatches(chats["held_ids"], chats["held_mask"], chats["held_lengths"], device, 7)
    log, progress, optimizer = [], {"phase": "pretrain", "step": 0, "log": []}, None
    if args.resume:
        phase = json.loads((args.resume / "progress.json").read_text())["phase"]
        peak = args.pretrain_rate if phase == "pretrain" else args.chat_rate
        optimizer, progress = load_state(args.resume, model, lambda: make_optimizer(model, peak, device == "cuda"))
        log = [tuple(row) for row in progress["log"]]
        if phase == "chat":
            (args.out / "base.safetensors").write_bytes((args.resume / "base.safetensors").read_bytes())
    elif args.base:
        missing, unexpected = model.load_state_dict(load_file(args.base), strict=False)
        assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
        progress["phase"] = "chat"
    finished = True
    if progress["phase"] == "pretrain":
        finished, optimizer, step, _ = train_phase("pretrain", model, pretrain, held_pretrain, args, log, autocast, optimizer, progress["step"])
        progress.update(step=step)
        if finished:
            export_weights(model, args.out / "base.safetensors")
            progress, optimizer = {"phase": "chat", "step": 0}, None
    if finished:
        finished, optimizer, step, _ = train_phase("chat", model, chat, held_chat, args, log, autocast, optimizer, progress["step"])
        progress.update(step=step)
        if finished:
            export_weights(model, args.out / "chat.safetensors")
            progress["phase"] = "done"
    progress["log"] = log
    with open(args.out / "loss.csv", "w", newline="") as file:
        csv.writer(file).writerows([("phase", "step", "fraction", "train_loss", "held_out_loss"), *log])
    if not finished:
        save_state(args.out, model, optimizer, progress)
        print("slice ended; go on with --resume", flush=True)


if __name__ == "__main__":
    main()
