"""The architecture, the special tokens and the training schedule in one place."""

# GLM-4-0414's special tokens in their order; they follow the byte-level BPE entries.
SPECIAL = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
           "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"]
GLM_REGEX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

ROW_TOKENS = 1024
FULL = dict(vocab_size=4096, hidden_size=256, intermediate_size=640, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=2, head_dim=32)
MICRO = dict(vocab_size=4096, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=32)

NUM_DIALOGUES = 220_000
NUM_BOOKS = 22_000
HELD_OUT_SEED = 10_000_000


def glm4_config(shape, special_ids):
    """The Hugging Face configuration; imported late because data generation needs no transformers."""
    from transformers import Glm4Config

    return Glm4Config(
        **shape, partial_rotary_factor=0.5, rope_theta=10000.0, rms_norm_eps=1e-5, attention_bias=True, hidden_act="silu", max_position_embeddings=4096,
        tie_word_embeddings=True, initializer_range=0.02, pad_token_id=special_ids["<|endoftext|>"], eos_token_id=special_ids["<|endoftext|>"], bos_token_id=None, attention_dropout=0.0,
    )
