/// What reports' pages have in common: a self-contained frame, sections, tiles.
enum HTMLPage {
  /// `body` is HTML, `title` is text.
  static func page(title: String, _ body: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark"><title>\(HTMLText.escape(title))</title>
    <style>\(HTMLStyle.css)</style></head>
    <body><svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs><marker id="a" viewBox="0 0 8 8" refX="7" \
    refY="4" markerWidth="6" markerHeight="6" orient="auto-start-reverse"><path d="M0 0.6 8 4 0 7.4z" style="fill:var(--edge)"/>\
    </marker></defs></svg>
    <main>
    \(body)
    </main></body></html>

    """
  }

  static func section(_ title: String, _ hint: String, _ content: String) -> String {
    "<section><h2>\(title)</h2><p class=\"hint\">\(HTMLText.escape(hint))</p>\(content)</section>\n"
  }

  static func tile(_ label: String, _ value: String, _ note: String) -> String {
    "<div class=\"tile\"><div class=\"l\">\(HTMLText.escape(label))</div><div class=\"v\">\(value)</div><div class=\"n\">\(HTMLText.escape(note))</div></div>"
  }
}
