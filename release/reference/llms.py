"""llms.txt: which pages there are, for programs that read documents. It is made of the start page."""

import re


def llms(index: str) -> str:
    """The start page's first paragraphs and its list of pages, as https://llmstxt.org has them."""
    title, _, rest = index.partition("\n\n")
    slogan, _, rest = rest.partition("\n\n")
    what = " ".join(rest.partition("\n\n")[0].split())
    pages = re.sub(r"\n+Also: .*", "\n", index.partition("## All pages\n\n")[2], flags=re.DOTALL)
    return f"{title}\n\n> {slogan.strip('*')}\n\n{what}\n\n{pages.replace('### ', '## ').strip()}\n"
