/// The page's style sheet: light and dark by the reader's setting, plain on paper.
enum HTMLStyle {
  static let css = """
    :root{--bg:#f6f7f9;--card:#fff;--ink:#1a2130;--soft:#5c677a;--line:#dfe3ea;--hair:#edf0f4;--accent:#0b7a6f;--accent2:#d8efec;\
    --before:#b4bdca;--good:#17794a;--goodbg:#dcf3e6;--bad:#b3261e;--badbg:#fbe3e1;--warn:#8a5a00;--warnbg:#fdf0d5;\
    --node:#fff;--edge:#8b95a5;--kp:#2563eb;--ks:#0f9d73;--km:#94a3b8;--ke:#e08a1e;--scratch:#c9a227}
    @media (prefers-color-scheme:dark){:root{--bg:#10141b;--card:#181e28;--ink:#e6eaf1;--soft:#97a3b6;--line:#2b3444;--hair:#222a37;\
    --accent:#3fc1b0;--accent2:#123b38;--before:#4d5a6e;--good:#58d68d;--goodbg:#12351f;--bad:#ff8a80;--badbg:#401816;\
    --warn:#f5c469;--warnbg:#3a2c0c;--node:#202836;--edge:#6d7a8f;--kp:#6ea0ff;--ks:#3fd0a2;--km:#7c8aa0;--ke:#f0a648;--scratch:#b99a3a}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",\
    "DejaVu Sans",Arial,sans-serif;-webkit-font-smoothing:antialiased}
    main{max-width:1160px;margin:0 auto;padding:32px 24px 64px}
    h1{font-size:27px;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
    h2{font-size:19px;margin:44px 0 4px;letter-spacing:-.005em}
    h3{font-size:15.5px;margin:0}
    p{margin:6px 0}
    .sub,.hint{color:var(--soft)}
    .hint{margin:0 0 14px;font-size:14px;max-width:78ch}
    code,.mono{font:12.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:14px;margin-top:22px}
    .tile,.card,.panel{background:var(--card);border:1px solid var(--line);border-radius:10px}
    .tile{padding:14px 16px 15px}
    .tile .l{font-size:13px;color:var(--soft)}
    .tile .v{font-size:25px;font-weight:650;letter-spacing:-.02em;white-space:nowrap;font-variant-numeric:tabular-nums}
    .tile .v small{font-size:15px;font-weight:500;color:var(--soft);letter-spacing:0}
    .tile .n{font-size:13px;color:var(--soft)}
    .pill{display:inline-block;border-radius:99px;padding:1px 10px;font-size:13px;font-weight:600;background:var(--accent2);\
    color:var(--accent);white-space:nowrap}
    .good{background:var(--goodbg);color:var(--good)}.bad{background:var(--badbg);color:var(--bad)}\
    .warn{background:var(--warnbg);color:var(--warn)}
    .alert{border-radius:10px;padding:12px 16px;margin-top:14px;background:var(--badbg);color:var(--bad);overflow-wrap:anywhere}
    .fused{display:flex;flex-wrap:wrap;gap:8px;margin-top:18px}
    .panel{padding:16px 18px;margin-top:12px;overflow-x:auto}
    .cards{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px;margin-top:12px;align-items:start;grid-auto-flow:dense}
    .card{overflow:hidden}
    .card.wide{grid-column:1/-1}
    .card header{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline;padding:12px 16px 10px;border-bottom:1px solid var(--hair)}
    .card header .by{color:var(--soft);font-size:13px;margin-left:auto}
    .duo{display:flex;align-items:center;justify-content:center;gap:10px;padding:10px 12px;flex-wrap:wrap}
    .wide .duo{flex-wrap:nowrap}
    .duo>div{min-width:0;text-align:center}
    .duo .to{flex:none;color:var(--accent);font-size:24px;line-height:1}
    .duo .cap{font-size:12px;color:var(--soft);margin-bottom:2px}
    svg{display:block;max-width:100%;height:auto;margin:0 auto}
    svg text{font:12.5px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
    svg .d{fill:var(--soft);font-size:11px}
    .g .n>rect:first-child{fill:var(--node);stroke:var(--line);stroke-width:1.2}
    .g .in rect{fill:var(--hair);stroke:none}
    .g .in text{fill:var(--soft);font-size:11px;text-anchor:middle}
    .g .e{fill:none;stroke:var(--edge);stroke-width:1.3;marker-end:url(#a)}
    .kp{fill:var(--kp)}.ks{fill:var(--ks)}.km{fill:var(--km)}.ke{fill:var(--ke)}
    .key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft);margin:2px 0 0}
    .key i{display:inline-block;width:4px;height:13px;border-radius:2px;margin-right:6px;vertical-align:-2px}
    .key i.b{width:16px;height:10px;vertical-align:-1px}
    details{border-top:1px solid var(--hair)}
    details.top{border-top:0}
    summary{cursor:pointer;padding:8px 16px;font-size:13.5px;color:var(--soft);user-select:none}
    summary:hover{color:var(--ink)}
    ul.places{list-style:none;margin:0;padding:0 16px 12px;max-height:420px;overflow-y:auto;font-size:13px}
    ul.places li{padding:5px 0;border-top:1px solid var(--hair)}
    ul.places li:first-child{border-top:0}
    ul.places code{background:var(--hair);border-radius:4px;padding:0 4px;margin:0 1px}
    ul.places .m{font-weight:600;margin-right:8px}
    .f{color:var(--soft);font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
    table{border-collapse:collapse;width:100%;font-size:14px}
    th{text-align:left;font-weight:600;color:var(--soft);font-size:13px;padding:4px 10px 6px 0;border-bottom:1px solid var(--line)}
    td{padding:6px 10px 6px 0;border-bottom:1px solid var(--hair);vertical-align:top}
    tr:last-child td{border-bottom:0}
    td.r,th.r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
    td.z{color:var(--soft)}
    .bar{height:8px;border-radius:4px;background:var(--accent);min-width:2px;margin-top:7px}
    .miss{padding:0}
    .miss details{border:0;border-top:1px solid var(--hair)}
    .miss details:first-child{border-top:0}
    .miss summary{display:flex;gap:12px;align-items:baseline;color:var(--ink);font-size:14px;padding:9px 16px}
    .miss summary::before{content:"\\25b8";flex:none;color:var(--soft);font-size:12px}
    .miss details[open]>summary::before{content:"\\25be"}
    .miss summary .c{flex:none;min-width:44px;text-align:right;font-weight:650;font-variant-numeric:tabular-nums}
    .miss summary .w{flex:1;min-width:0}
    .miss summary .by{color:var(--soft);font-size:13px;white-space:nowrap}
    footer{margin-top:48px;color:var(--soft);font-size:13px}
    @media (max-width:820px){.cards{grid-template-columns:minmax(0,1fr)}.wide .duo{flex-wrap:wrap}.tile .v{white-space:normal}main{padding:20px 14px 48px}}
    @media print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}.card,.tile,.panel{break-inside:avoid}\
    ul.places{max-height:none;overflow:visible}details::details-content{content-visibility:visible}.panel{overflow:visible}}
    """
}
