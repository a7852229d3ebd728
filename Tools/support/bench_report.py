"""Tables and plots of Tools/bench, and the generated parts of docs/performance.md."""
import os
import platform
import statistics
import subprocess
from pathlib import Path

import bench_peers
import common
from bench_plot import bars

DOCS = common.ROOT / "docs"
PAGE = DOCS / "performance.md"


def machine(cameo):
    """What the figures were measured on and with."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    git = lambda *words: subprocess.run(["git", *words], cwd=common.ROOT, capture_output=True, text=True).stdout.strip()
    providers = subprocess.run([cameo, "providers"], capture_output=True, text=True).stdout
    tier = next((line.split("tier", 1)[1].split()[0] for line in providers.splitlines() if "tier" in line), "?")
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "tier": tier, "load": round(os.getloadavg()[0], 1),
            "commit": git("rev-parse", "--short=10", "HEAD") + (" with changes" if git("status", "--porcelain", "-uno") else ""),
            "versions": bench_peers.versions()}


def machine_line(m):
    busy = f"; other work ran: load average {m['load']} at the start" if m["load"] > 0.5 else ""
    return f"{m['cpu']}, {m['cores']} cores, Cameo's tier {m['tier']}; commit {m['commit']}; {', '.join(m['versions'])}{busy}."


def ratio(result, cameo):
    """The fastest peer that answers the same question by this Cameo; None where one side is missing."""
    figures = result["figures"]
    peers = ["ort", "openvino"] if cameo == "cameo" else ["openvino default"]
    times = [figures[p]["p50_ms"] for p in peers if p in figures]
    return min(times) / figures[cameo]["p50_ms"] if times and cameo in figures else None


def lines(result, runtimes):
    """One result on the terminal."""
    out = [f"{result['model']}, {result['threads']} thread{'s' * (result['threads'] > 1)}"]
    for runtime in runtimes:
        f = result["figures"].get(runtime)
        if not f:
            if runtime in result["problems"]:
                out.append(f"  {bench_peers.title(runtime):18} {result['problems'][runtime]}")
            continue
        mib = lambda n: f"{n / 2**20:.0f}"
        own = f" ({f['precision']})" if runtime == "openvino default" else ""
        share = f"  ratio {ratio(result, runtime):.2f}" if runtime.startswith("cameo") and ratio(result, runtime) else ""
        out.append(
            f"  {bench_peers.title(runtime):18} p50 {f['p50_ms']:9.3f} ms  spread {f['spread']:.2f}  load {f['load_ms']:7.1f} ms  first "
            f"{f['first_ms']:7.1f} ms  peak {mib(f['peak_bytes']):>5} MiB, {mib(f['peak_bytes'] - f['base_bytes']):>5} above base{share}{own}")
    if "kernels" in result:
        apart = "-" if result["difference"] is None else f"{result['difference']:.6f}"
        out.append(f"  {'':18} apart {apart}  {result['kernels']}")
    return "\n".join(out)


def cameos(results):
    return [r for r in results["runtimes"] if r.startswith("cameo")]


def counts(results):
    return sorted({r["threads"] for r in results["results"]})


def means(results):
    """The geometric mean and the least of the ratios, for each Cameo and number of threads."""
    out = []
    for cameo in cameos(results):
        for threads in counts(results):
            found = [ratio(r, cameo) for r in results["results"] if r["threads"] == threads]
            found = [f for f in found if f]
            if found:
                out.append(f"fastest peer / {bench_peers.title(cameo)}, {threads} thread{'s' * (threads > 1)}: geometric mean "
                           f"{statistics.geometric_mean(found):.2f}, least {min(found):.2f}")
    return "\n".join(out)


def text(results):
    return "\n".join([lines(r, results["runtimes"]) for r in results["results"]] + [means(results)])


def cell(value, digits=None):
    if value is None:
        return "-"
    if digits is None:
        digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def table(results, threads):
    """Times of one number of threads, as Markdown."""
    columns = results["runtimes"]
    ratios = [c for c in cameos(results)]
    head = ["model"] + [bench_peers.title(c) for c in columns] + [f"fastest peer / {bench_peers.title(c)}" for c in ratios]
    rows = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    found = {c: [] for c in ratios}
    for r in results["results"]:
        if r["threads"] != threads:
            continue
        row = [r["model"].replace(":", ", ")]
        for c in columns:
            f = r["figures"].get(c)
            row.append(f"{cell(f['p50_ms'])} ({f['spread']:.2f})" if f else "-")
        for c in ratios:
            value = ratio(r, c)
            found[c] += [value] if value else []
            row.append(cell(value, 2))
        rows.append("| " + " | ".join(row) + " |")
    last = ["geometric mean, least"] + [""] * len(columns)
    last += [f"{statistics.geometric_mean(found[c]):.2f}, {min(found[c]):.2f}" if found[c] else "-" for c in ratios]
    return rows + ["| " + " | ".join(last) + " |"]


def resources(results, threads):
    """Load, first run and memory of one number of threads, as Markdown."""
    columns = results["runtimes"]
    head = ["model"] + [bench_peers.title(c) for c in columns]
    rows = ["| " + " | ".join(head) + " |", "|---" + "|--:" * len(columns) + "|"]
    for r in results["results"]:
        if r["threads"] != threads:
            continue
        row = [r["model"].replace(":", ", ")]
        for c in columns:
            f = r["figures"].get(c)
            mib = lambda n: f"{n / 2**20:.0f}"
            row.append(f"{f['load_ms']:.0f} + {f['first_ms']:.0f}; {mib(f['peak_bytes'])}, {mib(f['peak_bytes'] - f['base_bytes'])}" if f else "-")
        rows.append("| " + " | ".join(row) + " |")
    return rows


def series(results, value, runtimes, threads):
    """What bars() takes: for each runtime its values by model."""
    chosen = [r for r in results["results"] if r["threads"] == threads]
    return [(bench_peers.title(c), [value(r["figures"][c]) if c in r["figures"] else None for r in chosen]) for c in runtimes]


def plots(results):
    """The SVG files: name and text."""
    most = counts(results)[-1]
    names = lambda threads: [r["model"].replace(":", ", ") for r in results["results"] if r["threads"] == threads]
    found = []
    for cameo in cameos(results):
        groups = []
        for threads in counts(results):
            values = [ratio(r, cameo) for r in results["results"] if r["threads"] == threads]
            groups.append((f"{threads} thread{'s' * (threads > 1)}", values))
        suffix = "" if cameo == "cameo" else "-" + cameo.partition(" ")[2]
        if any(v for _, values in groups for v in values):
            found.append((f"speed{suffix}.svg", bars(f"Fastest peer's time by {bench_peers.title(cameo)}'s (longer is better)", names(most), groups,
                                                     mark=1)))
    peers = results["runtimes"]
    found.append(("load.svg", bars(f"Reading, preparing and the first run, ms, {most} threads (logarithmic)", names(most),
                                   series(results, lambda f: f["load_ms"] + f["first_ms"], peers, most), logarithmic=True)))
    found.append(("memory.svg", bars(f"Peak memory above base, MiB, {most} threads (logarithmic)", names(most),
                                     series(results, lambda f: max(1, f["peak_bytes"] - f["base_bytes"]) / 2**20, peers, most), logarithmic=True)))
    return found


def replace(name, text):
    """Puts text between the page's markers of this name; exits where they are missing."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    page = PAGE.read_text()
    if begin not in page or end not in page:
        raise SystemExit(f"bench: {PAGE} has no lines {begin.strip()} and {end}")
    head, rest = page.split(begin, 1)
    common.save_text(PAGE, head + begin + text.rstrip() + "\n" + end + rest.split(end, 1)[1])


def write(results):
    """The generated part of docs/performance.md, and docs/plots."""
    out = [machine_line(results["machine"]),
           f"{results['rounds']} rounds of {results['seconds']:g} s each, every process bound to as many cores as threads.", ""]
    drawn = plots(results)
    for threads in counts(results):
        title = f"{threads} thread{'s' * (threads > 1)}"
        out += [f"### {title}: milliseconds, in brackets the slowest round by the fastest", "", *table(results, threads), ""]
    out += [f"![{name}](plots/{name})" for name, _ in drawn if name.startswith("speed")]
    most = counts(results)[-1]
    out += ["", f"### Loading and memory, {most} thread{'s' * (most > 1)}", "",
            "Milliseconds from opening the file until ready + the first run; MiB of the largest resident set, and of that above the process's",
            "base (for the peers a Python with numpy, the runtime's library and the inputs).", "", *resources(results, most), "",
            "![load](plots/load.svg)", "![memory](plots/memory.svg)"]
    problems = sorted({f"{r['model']}: {bench_peers.title(p)}: {text}" for r in results["results"] for p, text in r["problems"].items()})
    if problems:
        out += ["", "Not measured:", "", *[f"- {p}" for p in problems]]
    replace("Tools/bench", "\n".join(out))
    (DOCS / "plots").mkdir(exist_ok=True)
    for name, drawing in drawn:
        common.save_text(DOCS / "plots" / name, drawing)


def roofline(found):
    """Cameo's kernels and slowest steps on the terminal."""
    return "\n\n".join("\n".join(roofline_rows(f, 25)) for f in found)


def roofline_rows(found, limit):
    """As Markdown: a line about the whole, the kernels, the `limit` slowest steps."""
    c, total = found["ceilings"], found["total"]
    whole = total["ms"] or 1
    reads = ", ".join(f"{r['gbs']:.0f} in {r['bytes'] / 2**20:g} MiB" for r in c["reads"])
    head = "| ms | share of time | GFLOP/s | GB/s | of the ceiling | bound by |"
    rule = "|--:|--:|--:|--:|--:|---|"

    def figures(line):
        known = "ceiling_share" in line
        rates = [f"{line['gflops']:.1f}", f"{line['gbs']:.1f}", f"{100 * line['ceiling_share']:.0f}%", line["bound"]] if known else ["-"] * 4
        return [f"{line['ms']:.3f}", f"{100 * line['ms'] / whole:.1f}%", *rates]

    rows = [f"**{found['model'].replace(':', ', ')}**, {found['threads']} thread{'s' * (found['threads'] > 1)}: {total['ms']:.2f} ms recorded"
            + (f", {100 * total['ceiling_share']:.0f}% of the ceilings" if "ceiling_share" in total else "")
            + f". Ceilings: {c['gflops']:.0f} GFLOP/s; GB/s read: {reads}.", "", head + " calls | kernel |", rule + "--:|---|"]
    for line in sorted(found["kernels"], key=lambda k: -k["ms"])[:8]:
        rows.append("| " + " | ".join([*figures(line), str(line["calls"]), line["kernel"].split(": ", 1)[-1]]) + " |")
    rows += ["", head + " kernel | nodes |", rule + "---|---|"]
    for line in found["steps"][:limit]:
        node = line["node"] if len(line["node"]) <= 60 else line["node"][:59] + "…"
        rows.append("| " + " | ".join([*figures(line), line["kernel"].split(": ", 1)[-1], f"{line['operator'].split('.')[-1]} {node}"]) + " |")
    return rows


def write_roofline(found, about):
    out = [machine_line(about), ""]
    for f in found:
        out += [*roofline_rows(f, 10), ""]
    replace("Tools/bench --roofline", "\n".join(out))
