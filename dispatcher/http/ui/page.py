"""`/ui` and everything below it: one HTML file for each path, and its assets.

It needs no token: nothing of what is served here is the installation's own. What the page shows, it asks the API for.
"""

from http import HTTPStatus
from typing import Final

from aiohttp import ETag, web

from dispatcher.http.ui.assets import HERE, INDEX, Asset, read_assets
from dispatcher.runtime.snapshot import ConfigHolder

FOR_EVER: Final = "public, max-age=31536000, immutable"  # another version has another path
ASK_AGAIN: Final = "no-cache"
OTHER_VERSION: Final = "no-store"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_ALWAYS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Page:
    """The routes of a page, whose HTML file `index` is. With `ui: false` nothing is there."""

    def __init__(self, holder: ConfigHolder, index: str = INDEX) -> None:
        self.holder = holder
        self.index = index
        self.assets = read_assets()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [
            web.get("/", self._index),
            web.get("/ui", self._index),
            web.get("/ui/assets/{version}/{path:.+}", self._asset),
            web.get(r"/ui/{view:[\s\S]*}", self._index),
        ]

    async def _index(self, request: web.Request) -> web.StreamResponse:
        """The one HTML file. Its links are relative, so that a proxy may have the service below a path of its own."""
        if not self.holder.snapshot.config.ui.enabled:
            return _nothing()
        up = "../" * (request.rel_url.raw_path.count("/") - 1)
        asset = self.assets.files[self.index]
        body = asset.body.replace(HERE.encode(), f"{up}ui/assets/{self.assets.version}".encode())
        tag = ETag(f"{self.assets.version}-{len(up)}")
        if request.if_none_match and tag in request.if_none_match:
            answer = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=_ALWAYS)
        else:
            answer = _answer(Asset(body, asset.content_type))
        answer.etag = tag
        answer.headers["Cache-Control"] = ASK_AGAIN
        return answer

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        """A file of this version; of another one that a replica has told of, too, and then it is not kept."""
        asset = self.assets.files.get(request.match_info["path"])
        if asset is None or not self.holder.snapshot.config.ui.enabled:
            return _nothing()
        answer = _answer(asset)
        same = request.match_info["version"] == self.assets.version
        answer.headers["Cache-Control"] = FOR_EVER if same else OTHER_VERSION
        answer.headers["Vary"] = "Accept-Encoding"
        answer.enable_compression()
        return answer


def _answer(asset: Asset) -> web.Response:
    return web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8", headers=_ALWAYS)


def _nothing() -> web.Response:
    return web.json_response({"error": "not_found"}, status=HTTPStatus.NOT_FOUND)
