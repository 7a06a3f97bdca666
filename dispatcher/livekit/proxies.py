"""Which proxy stands between us and LiveKit: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say, for other programs too.

aiohttp would read them itself, and ~/.netrc with them, whose passwords would take the place of our tokens.
"""

from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

from yarl import URL


def proxy_for(url: URL) -> URL | None:
    """The proxy for this URL, as the environment says now; None: none. This machine itself is asked without."""
    host = url.host or ""
    if _is_here(host) or proxy_bypass(f"{host}:{url.port}") or proxy_bypass(host):
        return None
    named = getproxies().get(url.scheme)
    return URL(named if "://" in named else f"http://{named}") if named else None


def way(url: str) -> str:
    """How a LiveKit at this URL is asked, for people: ", by the proxy HOST:PORT", or nothing."""
    proxy = proxy_for(URL(url.replace("ws", "http", 1) if url.startswith("ws") else url))
    return f", by the proxy {proxy.host}:{proxy.port}" if proxy else ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
