"""Words that are more than words to what shows them, and names that no file should have."""

from __future__ import annotations

MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</td></table><iframe src=//evil.example>",
    '"><svg onload=alert(1)>',
    "</style><style>*{display:none}</style>",
    "<!-- ",
    "&lt;b&gt;",
    "\u202e\x1b[31m",
)
"""To a browser."""
ESCAPES = (
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "\x9b31m",
    "fine\r\nforged: all is well",
    "\u202egnp.exe",
    "a\u2028b\u2029c\x85d",
    "\x7f\x08\x08\x08ok",
    "[bold red]not a style of ours[/]",
)
"""To a terminal, or to whoever reads line by line."""
FORMULAS = (
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "2026;=1+1",
    "\uff1d1",
)
"""To a spreadsheet."""
HOSTILE = (*MARKUP, *ESCAPES, *FORMULAS)
ALL_AT_ONCE = " ".join((*MARKUP[:6], *ESCAPES, *FORMULAS))

FILE_NAMES = (
    "a\nforged: all is well",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "-rf",
    "$(touch canary)",
    "`touch canary`;touch canary",
    "<script>alert(1)</script>".replace("/", "\u2215"),
    " ",
    "%s%n{0}",
    b"\xff\xfe".decode(errors="surrogateescape"),
)
"""Of directories, any of which may be the root of a system."""
