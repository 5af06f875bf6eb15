"""Texts that a parser of Markdown can be brought to its knees with, by name."""

from __future__ import annotations

HOSTILE_TEXTS = {
    "wide tables": ("|" + "a|" * 400 + "\n|" + "-|" * 400 + "\n" + "|x\n" * 200) * 40,
    "table of empty rows": "|" + "a|" * 2000 + "\n|" + "-|" * 2000 + "\n" + "|\n" * 3000,
    "many footnotes": "".join(f"[^{n}] " for n in range(6000))
    + "\n\n"
    + "".join(f"[^{n}]: n\n\n" for n in range(6000)),
    "few footnotes, often": "".join(f"a[^{n % 50}] " for n in range(40_000))
    + "\n\n"
    + "".join(f"[^{n}]: note {'x' * 200}\n\n" for n in range(50)),
    "brackets": "[" * 100_000,
    "images": "![" * 50_000,
    "definitions": "".join(f"[a{n}]: http://x/{n} 'title'\n" for n in range(10_000)),
    "a heading of marks": "# " + "#" * 130_000 + "x",
    "formulas": "$x^2$ " * 20_000,
    "one long link, often": "[a]: http://" + "x" * 7000 + "\n\n" + "[a]" * 3000,
    "nested lists": "".join(f"{' ' * 2 * depth}- a\n" for depth in range(400)) * 5,
    "tasks": "- [ ] a\n" * 10_000,
    "underlined headings": "a\n=\n" * 20_000,
    "empty lines": "\n" * 200_000,
}
