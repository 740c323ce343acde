"""Trains the embedded demonstration model: data generator, tokenizer, training, evaluation, export."""
