"""One self-contained HTML page: no file beside it, no network, printable."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110
_STYLE = """
:root { --ink:#1c2733; --soft:#5a6b7b; --line:#dde4ea; --paper:#fff; --wash:#f4f7f9;
  --accent:#0b6e8e; --good:#1b7f4b; --doubtful:#a86400; --failed:#b3261e; }
* { box-sizing:border-box; }
body { margin:0; background:var(--wash); color:var(--ink);
  font:15px/1.5 "Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial, sans-serif; }
main { max-width:1180px; margin:0 auto; padding:28px 24px 60px; }
h1 { font-size:26px; font-weight:650; margin:0 0 2px; }
h2 { font-size:18px; font-weight:650; margin:34px 0 10px; }
p { margin:6px 0 10px; max-width:96ch; }
.lead { color:var(--soft); }
section { background:var(--paper); border:1px solid var(--line); border-radius:10px;
  padding:6px 22px 20px; margin:18px 0; }
section h2 { margin-top:14px; }
.scroll { overflow-x:auto; }
table { border-collapse:collapse; font-size:14px; font-variant-numeric:tabular-nums; }
caption { caption-side:bottom; text-align:left; color:var(--soft); padding-top:6px; }
th, td { padding:6px 12px; text-align:right; border-bottom:1px solid var(--line);
  white-space:nowrap; }
th:first-child, td:first-child { text-align:left; padding-left:2px; }
td.text, th.text { text-align:left; white-space:normal; }
thead th { color:var(--soft); font-weight:600; vertical-align:bottom; }
.muted { color:var(--soft); }
figure { margin:14px 0 4px; }
figure img { max-width:100%; height:auto; border-radius:6px; display:block; }
figcaption { color:var(--soft); font-size:13.5px; margin-top:6px; max-width:100ch; }
td figure { display:inline-block; margin:0 10px 0 0; }
td figure img { max-width:none; height:160px; }
.note { border-left:3px solid var(--doubtful); padding:2px 12px; color:var(--soft); }
.swatch { display:inline-block; width:11px; height:11px; border-radius:3px; margin-right:7px;
  vertical-align:-1px; border:1px solid rgba(0,0,0,.25); }
.verdict { border-left:8px solid; border-radius:10px; padding:14px 22px; margin:18px 0;
  background:var(--paper); }
.verdict strong { font-size:20px; display:block; }
.verdict ul { margin:6px 0 2px; padding-left:20px; }
.good { border-color:var(--good); } .good strong { color:var(--good); }
.doubtful { border-color:var(--doubtful); } .doubtful strong { color:var(--doubtful); }
.failed { border-color:var(--failed); } .failed strong { color:var(--failed); }
.mark { border-radius:10px; padding:2px 10px; color:#fff; white-space:nowrap; }
.mark.good { background:var(--good); } .mark.doubtful { background:var(--doubtful); }
.mark.failed { background:var(--failed); } .mark.waiting { background:var(--soft); }
.fault { color:var(--failed); }
a { color:var(--accent); }
.cards { display:flex; flex-wrap:wrap; gap:12px; margin:14px 0; }
.card { background:var(--paper); border:1px solid var(--line); border-radius:10px;
  padding:10px 16px; min-width:150px; flex:1; }
.card b { display:block; font-size:20px; font-weight:650; }
.card span { color:var(--soft); font-size:13px; }
details summary { cursor:pointer; color:var(--accent); margin:10px 0; }
footer { color:var(--soft); font-size:13px; margin-top:30px; }
@media print { body { background:#fff; } section { break-inside:avoid; } }
"""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page; ``body`` is HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def text(value: object) -> str:
    """``value`` as text that HTML shows as it is."""
    return html.escape(str(value))


def section(title: str, *content: str) -> str:
    """A titled box."""
    return f"<section><h2>{text(title)}</h2>\n" + "\n".join(content) + "\n</section>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    text_columns: Sequence[int] = (),
) -> str:
    """A table; cells are HTML already; first column and ``text_columns`` are set to the left."""
    kind = ['class="text"' if index in text_columns else "" for index in range(len(head))]
    lines = ['<div class="scroll"><table>']
    if caption:
        lines.append(f"<caption>{text(caption)}</caption>")
    cells = "".join(f"<th {kind[i]}>{cell}</th>" for i, cell in enumerate(head))
    lines.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for row in rows:
        lines.append(
            "<tr>" + "".join(f"<td {kind[i]}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>"
        )
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number with a fixed count of decimals, an en dash where there is none."""
    if value is None:
        return '<span class="muted">–</span>'
    shown = f"{value:.{digits}f}"
    if float(shown) == 0.0:
        shown = shown.lstrip("-")
    return shown.replace("-", "−") + (f"&nbsp;{unit}" if unit else "")


def p_value(value: float) -> str:
    """A test's p value, three decimals."""
    return "&lt; 0.001" if value < 0.001 else number(value, 3)


def picture(figure: "Figure", description: str, caption: str = "") -> str:
    """A matplotlib figure inside the page, with a description for who cannot see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return png_picture(buffer.getvalue(), description, caption)


def png_picture(png: bytes, description: str, caption: str = "") -> str:
    """A PNG inside the page; in a table's cell it is a thumbnail beside its neighbours."""
    encoded = base64.b64encode(png).decode("ascii")
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img alt="{text(description)}" src="data:image/png;base64,{encoded}">'
        f"{below}</figure>"
    )


def details(summary: str, *content: str) -> str:
    """Content that is folded away until it is asked for."""
    return f"<details><summary>{text(summary)}</summary>\n" + "\n".join(content) + "\n</details>"
