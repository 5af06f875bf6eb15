"""The headers of every answer that tell a browser what it may do with it."""

from __future__ import annotations

from flask import Response

# Model output is only ever set as text or as sanitized HTML; the policy holds where that fails.
_POLICY = (  # invariant 9
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types penstock"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Pages, exports and the API show one owner's texts. Static files and streams have a rule of their own.
    "Cache-Control": "no-store",
}
_ONLY_TLS = "max-age=31536000"


def add_security_headers(response: Response, *, over_tls: bool) -> Response:
    """Add those that the response has not set itself; `over_tls` when the site is only reached over TLS."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if over_tls:
        response.headers.setdefault("Strict-Transport-Security", _ONLY_TLS)
    return response
