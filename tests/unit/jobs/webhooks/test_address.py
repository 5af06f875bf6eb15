"""Where webhooks may go."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from jobs.errors import InvalidRequest
from jobs.webhooks.address import check_url, is_public

PRIVATE = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "2001::1"),
    # IPv4 within IPv6: mapped, compatible, translated, tunnelled.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:0808:0808::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_private_in_every_form(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/hook", "https://"),
        ("https://127.0.0.1/hook", "private"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://localhost:8000/", "private"),
        ("https://user:password@example.com/", "user"),
        ("https://example.com:0/", "address like"),
        ("https://example.com:99999/", "not a URL"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/a b", "address like"),
        ("https://example.com/\r\nHost: other", "address like"),
        ("https://example.com\\@10.0.0.1/", "address like"),
        ("ftp://example.com/", "address like"),
        ("https:///hook", "address like"),
        ("https://[::1", "not a URL"),
        ("https://example.com/" + "a" * 2000, "2000"),
        ("", "address like"),
    ],
)
def test_a_bad_address_is_refused_with_what_is_wrong(url: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        check_url(url, allow_private=False, param="penstock.webhook")
    assert refused.value.param == "penstock.webhook"


@pytest.mark.parametrize(
    "url", ["https://example.com", "https://example.com:8443/hook?token=a%20b&x=1", "https://8.8.8.8/"]
)
def test_a_good_address_is_taken(url: str) -> None:
    check_url(url, allow_private=False)


def test_an_operator_allows_private_addresses() -> None:
    for url in ("http://127.0.0.1:8080/hook", "http://hook.internal/", "https://localhost/"):
        check_url(url, allow_private=True)
