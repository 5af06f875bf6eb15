"""Which addresses a webhook may go to: a user names them, and they must not lead into the server's own network."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from jobs.errors import InvalidRequest

_LONGEST_URL = 2000
# Visible ASCII without what programs read in different ways.
_URL = re.compile(r"https?://[^/?#\\\s@][!-\[\]-~]*")
# Where all public addresses of today are, but for those that translate to IPv4.
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_IPV6_TO_IPV4 = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")


def check_url(url: str, *, allow_private: bool, param: str = "url") -> None:
    """Raises InvalidRequest for an address that could never be sent to; what its name leads to is seen only then."""
    if problem := _problem(url, allow_private=allow_private):
        raise InvalidRequest(f"'{param}' {problem}.", param=param)


def _problem(url: str, *, allow_private: bool) -> str | None:
    if len(url) > _LONGEST_URL:
        return f"has more than {_LONGEST_URL} characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if not _URL.fullmatch(url) or not host or port == 0:
        return "has to be an address like https://example.com/hook, in ASCII"
    if "@" in parts.netloc:
        return "must not have a user or a password: deliveries are signed"
    if allow_private:
        return None
    if parts.scheme != "https":
        return "has to begin with https://, unless PENSTOCK_WEBHOOK_ALLOW_PRIVATE is set on the server"
    if host == "localhost" or not _is_public_or_name(host):
        return "is private; only an operator allows those, by PENSTOCK_WEBHOOK_ALLOW_PRIVATE"
    return None


def _is_public_or_name(host: str) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        return True


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the internet, and of no network inside, in whatever form it is written."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if address.ipv4_mapped:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _PUBLIC_IPV6 and address.is_global and address not in _IPV6_TO_IPV4
