"""Who is signed in by the operator's own proxy: a header names them, in requests that come from the proxy itself."""

from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import web

from dispatcher.config import ApiToken, Secret, Ui
from dispatcher.core.text import brief, visible
from dispatcher.http.problems import ApiError

PAGE_HEADER: Final = "X-Dispatcher-Page"  # no other site's page can send it: a browser would ask us first
USER_MAX: Final = 33  # bytes of a user's name that are told: with all around it, 64, as a token's name has

_SAFE: Final = frozenset({"GET", "HEAD"})


def signed_in(request: web.Request, ui: Ui) -> ApiToken | None:
    """Who they are and what they may do; None: no proxy says so, or they bring a token of their own.

    Raises ApiError: another site's page made the browser send it, with what signs the user in at the proxy.
    """
    if not ui.enabled or not ui.trust_header or "Authorization" in request.headers:
        return None
    users = request.headers.getall(ui.trust_header, [])
    if len(users) != 1 or not users[0].strip() or not is_among(request.remote, ui.proxies):
        return None
    if request.method not in _SAFE and PAGE_HEADER not in request.headers:
        says = f"a change that a proxy signs in needs the header {PAGE_HEADER}"
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", says)
    name = f"proxy:{brief(visible(users[0].strip()), USER_MAX)}"  # no token of the configuration has such a name
    return ApiToken(name=name, token=Secret(""), scopes=ui.scopes)


def is_among(peer: str | None, proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether the other end of the connection is one of the proxies; None: the connection is gone."""
    if peer is None:
        return False
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # as a socket on `::` sees IPv4
        address = address.ipv4_mapped
    return any(address in network for network in proxies)
