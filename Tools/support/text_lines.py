"""Images of one line of text each, as text recognisers read them: seeded, made with Pillow's own font."""
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SENTENCES = Path(__file__).resolve().parents[2] / "Models" / "sentences.txt"


def line(rng, words, height, width):
    """[3, height, width] floats in -1 ... 1, BGR: a few words, dark on light or the other way round, blurred, noisy, a little turned."""
    text = " ".join(rng.sample(words, rng.randint(1, 4)))
    size = rng.randint(22, 34)
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = font.getbbox(text)
    back = [rng.randint(150, 255) for _ in range(3)]
    ink = [rng.randint(0, 90) for _ in range(3)]
    if rng.random() < 0.25:
        back, ink = ink, back
    margin = rng.randint(2, 10)
    image = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), tuple(back))
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=tuple(ink), font=font)
    image = image.rotate(rng.uniform(-1.5, 1.5), resample=Image.BICUBIC, fillcolor=tuple(back))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))
    scaled = max(1, min(width, round(image.width * height / image.height)))
    pixels = np.asarray(image.resize((scaled, height), Image.BILINEAR), dtype=np.float32)[:, :, ::-1]
    pixels = pixels + np.random.default_rng(rng.randrange(1 << 30)).normal(0, rng.uniform(0, 6), pixels.shape)
    out = np.zeros((3, height, width), np.float32)
    out[:, :, :scaled] = (np.clip(pixels, 0, 255) / 255 - 0.5).transpose(2, 0, 1) / 0.5
    return out


def lines(count, seed, height=48, width=320, turned=False):
    """[count, 3, height, width]; where `turned`, every other one stands on its head."""
    rng = random.Random(seed)
    words = sorted({word for text in SENTENCES.read_text().split("\n") for word in text.split()})
    images = [line(rng, words, height, width) for _ in range(count)]
    if turned:
        images = [image[:, ::-1, ::-1] if index % 2 else image for index, image in enumerate(images)]
    return np.stack(images).astype(np.float32)
