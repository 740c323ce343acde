"""Generates the corpora, trains the tokenizer and writes token arrays: `python -m demo_model.build_data OUT [--dialogues N --books N]`."""
import argparse
import concurrent.futures
import io
import json
import lzma
import os
import pathlib
import time

import numpy as np

from .bpe import train_tokenizer
from .books import compose_book, docstrings
from .dialogues import compose
from .overlap import Overlap
from .settings import FULL, HELD_OUT_SEED, NUM_BOOKS, NUM_DIALOGUES

_DOCS, _OVERLAP = None, None


def _prepare():
    global _DOCS, _OVERLAP
    _OVERLAP = Overlap()
    _DOCS = [d for d in docstrings() if not _OVERLAP.shares_ngram(d)]


def _dialogues(span):
    out, dropped = [], 0
    for seed in range(*span):
        dialogue = compose(seed)
        if any(_OVERLAP.clashes(t["user"]) or _OVERLAP.shares_ngram(t["assistant"]) for t in dialogue["turns"]):
            dropped += 1
        else:
            out.append((dialogue["system"], [(t["user"], t["assistant"]) for t in dialogue["turns"]]))
    return out, dropped


def _books(span):
    out, dropped = [], 0
    for seed in range(*span):
        book = compose_book(seed, _DOCS)
        if _OVERLAP.shares_ngram(book):
            parts = [p for p in book.split("\n\n") if not _OVERLAP.shares_ngram(p)]
            book, dropped = "\n\n".join(parts), dropped + 1
        out.append(book)
    return out, dropped


def _spread(pool, function, start, count, chunk):
    spans = [(i, min(i + chunk, start + count)) for i in range(start, start + count, chunk)]
    items, dropped = [], 0
    for part, number in pool.map(function, spans):
        items += part
        dropped += number
    return items, dropped


def encode_dialogues(tokenizer, dialogues):
    """Token ids, loss mask (1 on the assistant's tokens and on the <|user|> that ends its turn) and lengths, all concatenated."""
    special = {t: tokenizer.token_to_id(t) for t in ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>")}
    texts = sorted({"\n" + s for system, turns in dialogues for pair in turns for s in pair} | {"\n" + system for system, _ in dialogues if system})
    table = {}
    for i in range(0, len(texts), 50_000):
        part = texts[i:i + 50_000]
        table.update(zip(part, (np.array(e.ids, np.uint16) for e in tokenizer.encode_batch(part, add_special_tokens=False))))
    ids, mask, lengths = [], [], []
    one = {k: np.array([v], np.uint16) for k, v in special.items()}
    for system, turns in dialogues:
        row, keep = [one["[gMASK]"], one["<sop>"]], [np.zeros(2, np.uint8)]
        if system:
            row += [one["<|system|>"], table["\n" + system]]
            keep += [np.zeros(1 + len(row[-1]), np.uint8)]
        for i, (user, assistant) in enumerate(turns):
            u, a = table["\n" + user], table["\n" + assistant]
            row += [one["<|user|>"], u, one["<|assistant|>"], a]
            keep += [np.full(1, i > 0, np.uint8), np.zeros(len(u) + 1, np.uint8), np.ones(len(a), np.uint8)]
        row.append(one["<|user|>"])
        keep.append(np.ones(1, np.uint8))
        row, keep = np.concatenate(row), np.concatenate(keep)
        if len(row) <= 1024:
            ids.append(row), mask.append(keep), lengths.append(len(row))
    return np.concatenate(ids), np.concatenate(mask), np.array(lengths, np.uint16)


def encode_books(tokenizer, books):
    """Books end with <|endoftext|>; every third begins with [gMASK]<sop>, since some programs prefix plain prompts with it."""
    end, mask, sop = (tokenizer.token_to_id(t) for t in ("<|endoftext|>", "[gMASK]", "<sop>"))
    out = []
    for i in range(0, len(books), 2000):
        for j, e in enumerate(tokenizer.encode_batch(books[i:i + 2000], add_special_tokens=False)):
            out.append(np.array(([mask, sop] if j % 3 == 0 else []) + e.ids + [end], np.uint16))
    return np.concatenate(out)


def save(path, **arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(lzma.compress(buffer.getvalue(), preset=0))


def load(path):
    return np.load(io.BytesIO(lzma.decompress(pathlib.Path(path).read_bytes())))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dialogues", type=int, default=NUM_DIALOGUES)
    parser.add_argument("--books", type=int, default=NUM_BOOKS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--tokenizer", type=pathlib.Path, help="reuse this tokenizer.json instead of training one")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.time()
    with concurrent.futures.ProcessPoolExecutor(args.workers, initializer=_prepare) as pool:
        dialogues, dropped = _spread(pool, _dialogues, 0, args.dialogues, 2000)
        books, dropped_books = _spread(pool, _books, 0, args.books, 500)
        held_dialogues, _ = _spread(pool, _dialogues, HELD_OUT_SEED, 1000, 500)
        held_books, _ = _spread(pool, _books, HELD_OUT_SEED, 60, 60)
    print(f"{len(dialogues)} dialogues ({dropped} dropped for overlap), {len(books)} books ({dropped_books} cut), {time.time() - start:.0f} s", flush=True)
    if args.tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(args.tokenizer))
    else:
        sample = books[:1500] + ["\n".join(s for pair in turns for s in pair) for _, turns in dialogues[:20000]]
        tokenizer = train_tokenizer(sample, FULL["vocab_size"])
    tokenizer.save(str(args.out / "tokenizer.json"), pretty=False)
    print(f"tokenizer ready, {time.time() - start:.0f} s", flush=True)
    ids, mask, lengths = encode_dialogues(tokenizer, dialogues)
    held_ids, held_mask, held_lengths = encode_dialogues(tokenizer, held_dialogues)
    save(args.out / "dialogues.npz.xz", ids=ids, mask=mask, lengths=lengths, held_ids=held_ids, held_mask=held_mask, held_lengths=held_lengths)
    book_ids, held_book_ids = encode_books(tokenizer, books), encode_books(tokenizer, held_books)
    save(args.out / "books.npz.xz", ids=book_ids, held_ids=held_book_ids)
    facts = {"dialogues": len(lengths), "dialogue_tokens": int(len(ids)), "assistant_tokens": int(mask.sum()), "books": len(books), "book_tokens": int(len(book_ids)),
             "book_characters": sum(map(len, books)), "dropped_for_overlap": dropped}
    (args.out / "data.json").write_text(json.dumps(facts, indent=1))
    print(json.dumps(facts), f"{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
