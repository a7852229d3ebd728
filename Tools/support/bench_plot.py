"""Bar charts as SVG, for docs/plots."""
import math
from xml.sax.saxutils import escape

COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"]
FONT = 'font-family="sans-serif"'


def nice(value):
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= value * 0.9999)


def bars(title, rows, groups, logarithmic=False, mark=None):
    """Horizontal bars: for each row one of every group. `groups`: (name, values by row, None where there is none); `mark`: a value to
    draw a line at."""
    left, right, top, thick, gap, width = 190, 70, 62, 13, 10, 860
    present = [v for _, values in groups for v in values if v]
    most = max(present, default=1)
    if logarithmic:
        low = 10 ** math.floor(math.log10(min(present, default=1)))
        high = max(10 ** math.ceil(math.log10(most)), low * 10)
        place = lambda v: (math.log10(v) - math.log10(low)) / (math.log10(high) - math.log10(low))
        ticks = [low * 10**i for i in range(round(math.log10(high / low)) + 1)]
    else:
        step = nice(most / 6)
        high = math.ceil(most / step) * step
        place = lambda v: v / high
        ticks = [step * i for i in range(round(high / step) + 1)]
    span = width - left - right
    tall = len(groups) * thick + gap
    height = top + tall * len(rows) + 30
    x = lambda v: left + span * place(v)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           f'<text x="12" y="22" {FONT} font-size="15" font-weight="bold" fill="#222">{escape(title)}</text>']
    at = 12
    for index, (name, _) in enumerate(groups):
        out.append(f'<rect x="{at}" y="34" width="12" height="12" fill="{COLOURS[index % len(COLOURS)]}"/>')
        out.append(f'<text x="{at + 17}" y="44" {FONT} font-size="12" fill="#222">{escape(name)}</text>')
        at += 40 + 7 * len(name)
    bottom = height - 24
    for tick in ticks:
        out.append(f'<line x1="{x(tick):.1f}" y1="{top - 6}" x2="{x(tick):.1f}" y2="{bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x(tick):.1f}" y="{bottom + 15}" {FONT} font-size="11" fill="#555" text-anchor="middle">{tick:g}</text>')
    for row, label in enumerate(rows):
        y = top + row * tall
        out.append(f'<text x="{left - 8}" y="{y + (tall - gap) / 2 + 4:.1f}" {FONT} font-size="12" fill="#222" text-anchor="end">'
                   f"{escape(label)}</text>")
        for index, (_, values) in enumerate(groups):
            value = values[row] if row < len(values) else None
            line = y + index * thick
            if not value:
                out.append(f'<text x="{left + 4}" y="{line + 10}" {FONT} font-size="10" fill="#888">not measured</text>')
                continue
            out.append(f'<rect x="{left}" y="{line}" width="{max(1, x(value) - left):.1f}" height="{thick - 2}" '
                       f'fill="{COLOURS[index % len(COLOURS)]}"/>')
            shown = f"{value:.2f}" if value < 10 else f"{value:.0f}"
            out.append(f'<text x="{x(value) + 4:.1f}" y="{line + 10}" {FONT} font-size="10" fill="#222">{shown}</text>')
    if mark is not None:
        out.append(f'<line x1="{x(mark):.1f}" y1="{top - 6}" x2="{x(mark):.1f}" y2="{bottom}" stroke="#222" stroke-dasharray="4 3"/>')
    return "\n".join(out + ["</svg>"]) + "\n"
