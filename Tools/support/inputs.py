"""Seeded inputs that look like what the models are made for: photographs, pages of text, speech, token ids."""
import numpy as np

# Classic 5x7 dot-matrix letters, a column a byte, lowest bit on top.
FONT = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (bytes.fromhex(h) for h in """
3E5149453E 00427F4000 4261514946 2141454B31 1814127F10 2745454539 3C4A494930 0171090503 3649494936 064949291E
7E1111117E 7F49494936 3E41414122 7F4141221C 7F49494941 7F09090901 3E4149497A 7F0808087F 00417F4100 2040413F01
7F08142241 7F40404040 7F020C027F 7F0408107F 3E4141413E 7F09090906 3E4151215E 7F09192946 4649494931 01017F0101
3F4040403F 1F2040201F 3F4038403F 6314081463 0708700807 6151494543""".split())))


def smooth(a, radius):
    """A box blur along both axes, edges repeated."""
    for axis in (0, 1):
        pad = [(radius, radius) if i == axis else (0, 0) for i in range(a.ndim)]
        sums = np.cumsum(np.pad(a, pad, mode="edge"), axis=axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis)), sums], axis)
        n = a.shape[axis]
        upper = np.take(sums, np.arange(n) + 2 * radius + 1, axis)
        a = (upper - np.take(sums, np.arange(n), axis)) / (2 * radius + 1)
    return a


def photograph(height, width, seed):
    """HWC in 0...1: soft clouds of colour at several scales, objects with edges, light falling from one side, grain."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for cells, weight in ((3, 0.5), (7, 0.3), (17, 0.15)):
        coarse = rng.random((cells, cells, 3))
        rows, columns = np.arange(height) * cells // height, np.arange(width) * cells // width
        image += weight * smooth(coarse[rows][:, columns], max(1, min(height, width) // (2 * cells)))
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(6):
        cy, cx = rng.random(2) * (height, width)
        ry, rx = (0.05 + 0.2 * rng.random(2)) * (height, width)
        distance = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2
        cover = np.clip(8 * (1 - distance), 0, 1)[..., None]
        image = image * (1 - cover) + cover * rng.random(3) * (0.6 + 0.4 * np.exp(-distance))[..., None]
    image *= (0.75 + 0.5 * x / width)[..., None]
    return np.clip(image + 0.01 * rng.standard_normal(image.shape), 0, 1)


def draw_text(image, text, top, left, scale, ink):
    """Writes on an HWC image; a dot of the 5x7 letter is scale x scale pixels. Returns the column after the last letter."""
    for letter in text:
        if letter != " ":
            dots = np.array([[(c >> r) & 1 for c in FONT[letter]] for r in range(7)], dtype=np.float64)
            cover = np.pad(np.kron(dots, np.ones((scale, scale))), scale)
            cover = np.clip(1.4 * smooth(cover, max(1, scale // 3)), 0, 1)[..., None]
            y, x = top - scale, left - scale
            part = image[max(y, 0):y + cover.shape[0], max(x, 0):x + cover.shape[1]]
            cover = cover[max(-y, 0):, max(-x, 0):][: part.shape[0], : part.shape[1]]
            part[:] = part * (1 - cover) + cover * np.asarray(ink)
        left += 6 * scale
    return left


def page(height, width, seed):
    """HWC in 0...1: paper under uneven light, a photograph, ruled boxes, and lines of text of several sizes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    paper = 0.93 - 0.18 * (x / width) * (y / height)
    image = paper[..., None] * np.array([1.0, 0.98, 0.93]) + 0.01 * rng.standard_normal((height, width, 3))
    h, w = height // 4, width // 3
    image[height - h - 8:height - 8, 8:8 + w] = photograph(h, w, seed + 1)
    image[height - h - 8:height - 8, width - w - 8:width - 8] *= np.array([0.55, 0.7, 0.9])
    letters = list(FONT)
    top = height // 40
    while top < height - h - 40:
        scale = int(rng.integers(2, 5))
        left = int(rng.integers(10, max(12, width // 5)))
        ink = rng.random(3) * 0.35
        while left < width * (0.5 + 0.45 * rng.random()):
            word = "".join(rng.choice(letters, int(rng.integers(2, 9))))
            left = draw_text(image, word, top, left, scale, ink) + 4 * scale
        top += 7 * scale + int(rng.integers(8, 24))
    draw_text(image, "CAMEO", height - h, width - w, max(2, w // 40), [0.95, 0.95, 0.9])
    return np.clip(image, 0, 1)


def text_line(height, width, text, seed):
    """HWC in 0...1: one line of text that fills the height."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, width)[None, :, None]
    image = np.broadcast_to(0.9 - 0.15 * x, (height, width, 3)) + 0.015 * rng.standard_normal((height, width, 3))
    scale = height // 10
    draw_text(image, text, (height - 7 * scale) // 2, 2 * scale, scale, [0.1, 0.1, 0.2])
    return np.clip(smooth(image, 1), 0, 1)


def to_nchw(image, mean, deviation):
    a = (image - np.asarray(mean)) / np.asarray(deviation)
    return np.ascontiguousarray(a.transpose(2, 0, 1)[None]).astype(np.float32)


IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CENTRED = ([0.5] * 3, [0.5] * 3)


def speech(samples, rate, seed):
    """A vowel: harmonics of a gliding pitch under two formants, with breath noise; 1 x samples."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    phase = 2 * np.pi * (140 * t + 30 * t * t)
    wave = np.zeros(samples)
    for k in range(1, 24):
        f = 140 * k
        gain = np.exp(-(((f - 650) / 250) ** 2)) + 0.6 * np.exp(-(((f - 1700) / 400) ** 2)) + 0.02
        wave += gain * np.sin(k * phase + rng.random() * 6.28) * (f < rate / 2)
    wave = 0.25 * wave / np.abs(wave).max() + 0.005 * rng.standard_normal(samples)
    return wave[None].astype(np.float32)


def token_ids(batch, length, vocabulary, seed):
    """Frequent tokens are frequent, as in text."""
    rng = np.random.default_rng(seed)
    ranks = np.exp(rng.random((batch, length)) * np.log(vocabulary - 1000))
    return (999 + ranks).astype(np.int64)
