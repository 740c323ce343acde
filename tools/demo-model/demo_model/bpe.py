"""Trains the byte-level BPE with GLM's regex and writes tokenizer.json."""
import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from .settings import GLM_REGEX, SPECIAL


def train_tokenizer(texts, vocab_size):
    """The special tokens take the last ids, as in GLM-4. Digits are hidden from the trainer, so every digit stays one token:
    the regex still cuts numbers in groups of three, but no merge joins them, and small sums become learnable. Chinese is shown to it
    one character a line: GLM's regex takes a whole clause as one piece, so a small corpus would else give tokens for entire phrases."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(GLM_REGEX), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    characters = sorted({c for t in texts for c in t if "\u3000" <= c <= "\u9fff" or "\uff00" <= c <= "\uffef"})
    texts = [*texts, *characters * 400]  # every Chinese character of the corpus becomes one token, however rare
    tokenizer.train_from_iterator((re.sub(r"([\u3000-\u9fff\uff00-\uffef])", "\n\\1\n", re.sub(r"\d", " ", t)) for t in texts), trainer)
    assert tokenizer.get_vocab_size() == vocab_size - len(SPECIAL), tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in SPECIAL])
    return tokenizer
