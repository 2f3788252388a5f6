"""The guard: which addresses, URLs and names a webhook may be sent to, over the whole corpus."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from services.dispatch.guard import AddressRefused, Guard, GuardedResolver, PhaseTimeout, UrlRefused, check_url, is_public
from tests.support import ssrf_corpus as corpus

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def _in_url(address: str) -> str:
    return f"https://[{address.replace('%', '%25')}]/hook" if ":" in address else f"https://{address}/hook"


def _answers(numbers: Sequence[str]) -> Callable[[str, int, int], list[tuple[str, int]]]:
    found = [(number, int(socket.AF_INET6 if ":" in number else socket.AF_INET)) for number in numbers]
    return lambda _host, _port, _family: found


@asynccontextmanager
async def _resolver(guard: Guard, numbers: Sequence[str]) -> AsyncGenerator[GuardedResolver]:
    resolver = GuardedResolver(guard, find=_answers(numbers))
    try:
        yield resolver
    finally:
        await resolver.close()


def test_the_corpus_is_large() -> None:
    refused = [*corpus.REFUSED_ADDRESSES, *corpus.REFUSED_URLS, *corpus.REFUSED_NAMES]
    accepted = [*corpus.ACCEPTED_ADDRESSES, *corpus.ACCEPTED_URLS]
    assert len({first for first, _ in refused}) == len(refused) >= 140
    assert len(set(accepted)) == len(accepted) >= 25


@pytest.mark.parametrize(("address", "_why"), corpus.REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused_in_the_url_and_at_the_socket(address: str, _why: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(AddressRefused):
        Guard(()).socket_for((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)))
    with pytest.raises(UrlRefused) as refusal:
        check_url(_in_url(address), ())
    assert refusal.value.code == "address_not_public"


@pytest.mark.parametrize(("url", "code"), corpus.REFUSED_URLS)
def test_a_url_that_is_not_plain_https_to_a_host_is_refused_with_the_reason(url: str, code: str) -> None:
    with pytest.raises(UrlRefused) as refusal:
        check_url(url, ())
    assert refusal.value.code == code


@pytest.mark.parametrize(("name", "numbers"), corpus.REFUSED_NAMES)
async def test_a_name_that_leads_inside_is_refused(name: str, numbers: tuple[str, ...]) -> None:
    assert check_url(f"https://{name}/hook", ()).scheme == "https", "a name is judged by what it leads to"
    async with _resolver(Guard(()), numbers) as resolver:
        with pytest.raises(AddressRefused):
            await resolver.resolve(name, 443)


@pytest.mark.parametrize("address", corpus.ACCEPTED_ADDRESSES)
async def test_a_public_address_is_admitted(address: str) -> None:
    assert Guard(()).admits(address)
    assert check_url(_in_url(address), ()).port == 443
    async with _resolver(Guard(()), [address]) as resolver:
        assert [answer["host"] for answer in await resolver.resolve("agency.example", 443)] == [address]


@pytest.mark.parametrize("url", corpus.ACCEPTED_URLS)
def test_a_public_https_url_is_taken(url: str) -> None:
    assert check_url(url, ()).scheme == "https"


async def test_of_a_name_with_many_addresses_only_the_admitted_ones_are_given() -> None:
    name, numbers, admitted = corpus.MIXED_NAME
    async with _resolver(Guard(()), numbers) as resolver:
        assert tuple(answer["host"] for answer in await resolver.resolve(name, 443)) == admitted


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


async def test_the_system_s_own_look_up_is_guarded() -> None:
    for guard, admitted in ((Guard(()), False), (Guard(LOOPBACK), True)):
        resolver = GuardedResolver(guard)
        try:
            if admitted:
                assert {answer["host"] for answer in await resolver.resolve("localhost", 80)} == {"127.0.0.1"}
            else:
                with pytest.raises(AddressRefused):
                    await resolver.resolve("localhost", 80)
        finally:
            await resolver.close()


async def test_a_name_whose_servers_are_silent_takes_one_thread_and_no_longer_than_it_may() -> None:
    silent, asked = threading.Event(), 0

    def find(_host: str, _port: int, _family: int) -> list[tuple[str, int]]:
        nonlocal asked
        asked += 1
        silent.wait(10)
        return [("203.150.1.1", int(socket.AF_INET))]

    resolver = GuardedResolver(Guard(()), patience=0.05, find=find)
    try:
        waiting = [resolver.resolve("silent.example", 443) for _ in range(40)]
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(error, PhaseTimeout) and error.phase == "lookup" for error in failed)
        assert asked == 1
        silent.set()
        assert (await resolver.resolve("silent.example", 443))[0]["host"] == "203.150.1.1"
    finally:
        silent.set()
        await resolver.close()


def test_plain_http_is_for_the_allowed_networks() -> None:
    assert check_url("http://127.0.0.1:8080/hook", LOOPBACK).port == 8080
    assert check_url("http://demo:80/hook", LOOPBACK).host == "demo"
    with pytest.raises(UrlRefused):
        check_url("http://8.8.8.8/hook", LOOPBACK)
