"""The guard: which addresses and URLs a webhook may be sent to."""

import asyncio
import ipaddress
import socket

import pytest

from services.dispatch.guard import AddressRefused, Guard, GuardedResolver, UrlRefused, check_url, is_public

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)

REFUSED = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff0e::1",
)
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "203.150.1.1",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
)


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not Guard(()).admits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_admitted(address: str) -> None:
    assert Guard(()).admits(address)


def test_an_allowed_network_is_admitted_in_ipv6_clothes_too_and_its_neighbours_are_not() -> None:
    guard = Guard(LOOPBACK)
    assert guard.admits("127.0.0.1")
    assert guard.admits("::ffff:127.0.0.1")
    assert not guard.admits("10.0.0.1")
    assert not guard.admits("64:ff9b::7f00:1")
    assert not guard.admits("agency.example")


def test_without_public_only_the_allowed_networks_are_admitted() -> None:
    guard = Guard(LOOPBACK, public=False)
    assert guard.admits("127.0.0.1")
    assert not guard.admits("8.8.8.8")


def test_the_socket_factory_is_the_last_gate() -> None:
    with pytest.raises(AddressRefused):
        Guard(()).socket_for((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
    Guard(LOOPBACK).socket_for((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))).close()


async def test_a_name_that_leads_inside_is_refused() -> None:
    resolver = GuardedResolver(Guard(()))
    try:
        with pytest.raises(AddressRefused):
            await resolver.resolve("localhost", 80)
    finally:
        await resolver.close()


async def test_a_name_that_leads_to_an_allowed_network_is_resolved() -> None:
    resolver = GuardedResolver(Guard(LOOPBACK))
    try:
        async with asyncio.timeout(5):
            found = await resolver.resolve("localhost", 80)
    finally:
        await resolver.close()
    assert {answer["host"] for answer in found} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "url",
    [
        "https://agency.example/hook?x=1",
        "https://agency.example:8443/hook",
        "https://xn--12c1fe0br.example/hook",
        "https://8.8.8.8/hook",
        "https://[2606:4700::1111]/hook",
    ],
)
def test_a_public_https_url_is_taken(url: str) -> None:
    assert check_url(url, ()).scheme == "https"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "url_malformed"),
        ("agency.example/hook", "url_malformed"),
        ("file:///etc/passwd", "url_malformed"),
        ("gopher://agency.example/", "url_malformed"),
        ("https:///hook", "url_malformed"),
        ("https://agency.example/\r\nHost: inside", "url_malformed"),
        ("https://agency.example\\@127.0.0.1/", "url_malformed"),
        ("https://agency.example:99999/", "url_malformed"),
        ("https://agency.example:0/", "url_malformed"),
        ("https://127.1/hook", "url_malformed"),
        ("https://2130706433/hook", "url_malformed"),
        ("https://0x7f.0.0.1/hook", "url_malformed"),
        ("https://0x7f.1/hook", "url_malformed"),
        ("https://agency.example/#part", "fragment_refused"),
        ("https://u@agency.example/", "userinfo_refused"),
        ("https://u:p@agency.example/", "userinfo_refused"),
        ("https://127.0.0.1/", "address_not_public"),
        ("https://[::ffff:127.0.0.1]/", "address_not_public"),
        ("https://[fe80::1%25eth0]/", "address_not_public"),
        ("http://agency.example/", "https_required"),
        ("https://agency.example:22/", "port_refused"),
        ("https://agency.example:80/", "port_refused"),
        ("https://" + "a" * 2000 + ".example/", "url_malformed"),
    ],
)
def test_any_other_url_is_refused_with_the_reason(url: str, code: str) -> None:
    with pytest.raises(UrlRefused) as refusal:
        check_url(url, ())
    assert refusal.value.code == code


def test_plain_http_is_for_the_allowed_networks() -> None:
    assert check_url("http://127.0.0.1:8080/hook", LOOPBACK).port == 8080
    assert check_url("http://demo:80/hook", LOOPBACK).host == "demo"
    with pytest.raises(UrlRefused):
        check_url("http://8.8.8.8/hook", LOOPBACK)
