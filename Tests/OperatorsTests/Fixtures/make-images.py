#!/usr/bin/env python3
"""Writes images.txt: small image files in base64 and the RGB pixels that Pillow reads from them.

usage: make-images.py > images.txt      (needs Pillow)"""
import base64
import io
import struct

import PIL.Image as Image

files = []
PIXELS = [(250, 10, 20), (30, 200, 40), (5, 6, 220), (90, 90, 90), (0, 0, 0), (255, 255, 255)]
image = Image.new("RGB", (3, 2))
image.putdata(PIXELS)
alpha = image.copy()
mask = Image.new("L", (3, 2))
mask.putdata([0, 128, 255, 1, 2, 3])
alpha.putalpha(mask)


def save(name, kind, picture=image, **options):
    with io.BytesIO() as file:
        picture.save(file, format=kind, **options)
        files.append((name, file.getvalue()))


def bitmap(bits, compression, data, height, palette, masks=b""):
    colors = b"".join(bytes([b, g, r, 0]) for r, g, b in palette)
    start = 54 + len(masks) + len(colors)
    info = struct.pack("<IiiHHIIiiII", 40, 3, height, 1, bits, compression, len(data), 0, 0, len(palette), 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + masks + colors + data


save("bmp of 24 bits", "BMP")
save("bmp with a palette", "BMP", image.quantize(4))
save("bmp of one bit", "BMP", image.convert("1"))
save("bmp of 32 bits", "BMP", alpha)
save("jpeg", "JPEG", quality=90)
save("jpeg in gray", "JPEG", image.convert("L"), quality=90)
save("jpeg in cmyk", "JPEG", image.convert("CMYK"), quality=90)
save("jpeg 2000", "JPEG2000")
save("jpeg 2000 codestream", "JPEG2000", no_jp2=True)
save("png", "PNG")
save("png with alpha", "PNG", alpha)
save("png with a palette", "PNG", image.quantize(4))
save("png in gray", "PNG", image.convert("L"))
save("tiff", "TIFF")
save("tiff with lzw and alpha", "TIFF", alpha, compression="tiff_lzw")
save("tiff of one bit", "TIFF", image.convert("1"), compression="group4")
save("webp", "WEBP", lossless=True)
save("webp, lossy", "WEBP", quality=80)
save("webp with alpha", "WEBP", alpha, lossless=True, exact=True)
save("ppm", "PPM")
save("pgm", "PPM", image.convert("L"))
save("pbm", "PPM", image.convert("1"))
COLORS = [(1, 2, 3), (200, 100, 50), (9, 250, 8), (77, 77, 77)]
files += [
    ("bmp with runs of 8 bits", bitmap(8, 1, bytes([2, 1, 1, 2, 0, 0, 0, 3, 3, 2, 1, 0, 0, 0, 0, 1]), 2, COLORS)),
    ("bmp with runs of 4 bits", bitmap(4, 2, bytes([3, 0x12, 0, 0, 0, 3, 0x31, 0x20, 0, 1]), 2, COLORS)),
    ("bmp of 16 bits", bitmap(16, 0, struct.pack("<8H", 0x7C00, 0x3E0, 0x1F, 0, 0x7FFF, 0x1234, 0x4210, 0), 2, [])),
    ("bmp with bit fields",
     bitmap(16, 3, struct.pack("<8H", 0xF800, 0x7E0, 0x1F, 0, 0xFFFF, 0x1234, 0x4210, 0), 2, [],
            struct.pack("<III", 0xF800, 0x7E0, 0x1F))),
    ("bmp from the top", bitmap(24, 0, bytes(range(9)) + bytes(3) + bytes(range(100, 109)) + bytes(3), -2, [])),
    ("ppm of 16 bits", b"P6\n3 1\n1000\n" + struct.pack(">9H", 0, 500, 1000, 1, 2, 4, 999, 998, 250)),
    ("ppm in text", b"P3 # c\n2 1 255 1 2 3\n4 5 6\n"),
    ("pgm in text", b"P2\n2 1 15\n15 3\n"),
    ("pbm in text", b"P1\n3 2\n101 0 1 0\n"),
]
for name, data in files:
    with Image.open(io.BytesIO(data)) as found:
        pixels = list(found.convert("RGB").tobytes())
        print(name, found.height, found.width, base64.b64encode(data).decode(), ",".join(map(str, pixels)), sep="|")
