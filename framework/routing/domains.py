"""Rules on the ``Host`` of a request, for `Application.add_domain`."""

from __future__ import annotations

import abc
import re
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from framework.requests import Request

__all__ = ("AbstractRuleMatching", "Domain", "MaskDomain")


_PORT = re.compile(r":[0-9]+\Z")
_LONGEST_HOST = len(":65535") + 255


class AbstractRuleMatching(abc.ABC):
    """A condition on requests."""

    @abc.abstractmethod
    async def match(self, request: Request) -> bool:
        """Whether ``request`` satisfies the rule."""

    @abc.abstractmethod
    def get_info(self) -> dict[str, str]:
        """What is known of the rule."""

    @property
    @abc.abstractmethod
    def canonical(self) -> str:
        """The rule as text."""


class Domain(AbstractRuleMatching):
    """A host name: ``example.com``, which matches on any port, or ``example.com:8080``.

    Host names are compared without regard to case (RFC 9110, section 4.2.3).
    TypeError for what is no str, ValueError for what is no host name.
    """

    _label = re.compile(r"(?!-)[a-z\d-]{1,63}(?<!-)", re.ASCII)

    def __init__(self, domain: str) -> None:
        self._domain = self._validated(domain)
        self._has_port = _PORT.search(self._domain) is not None

    @property
    def canonical(self) -> str:
        return self._domain

    def get_info(self) -> dict[str, str]:
        return {"domain": self._domain}

    def match_domain(self, host: str) -> bool:
        """Whether a ``Host`` header's value satisfies the rule."""
        return self._comparable(host) == self._domain

    def _comparable(self, host: str) -> str:
        host = host.lower()
        return host if self._has_port else _PORT.sub("", host)

    async def match(self, request: Request) -> bool:
        return self.match_domain(request.host)

    def _validated(self, domain: str) -> str:
        if not isinstance(domain, str):
            raise TypeError("Domain must be str")
        domain = domain.rstrip(".").lower()
        if not domain:
            raise ValueError("Domain cannot be empty")
        if "://" in domain:
            raise ValueError("Scheme not supported")
        url = URL(f"http://{domain}")
        host = url.raw_host
        if host is None or not all(self._label.fullmatch(label) for label in host.split(".")):
            raise ValueError("Domain not valid")
        return host if url.port == 80 else f"{host}:{url.port}"


class MaskDomain(Domain):
    """A host name in which ``*`` stands for any text: ``*.example.com``. Dots are literal."""

    _label = re.compile(r"(?!-)[a-z\d*-]{1,63}(?<!-)", re.ASCII)

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        mask = r"[^:\s]*".join(re.escape(text) for text in self._domain.split("*"))
        self._mask = re.compile(mask + r"(:[^\s]*)?")

    @property
    def canonical(self) -> str:
        return self._mask.pattern

    def match_domain(self, host: str) -> bool:
        # Longer than any name may be (RFC 1035, section 2.3.4); several asterisks are not matched in linear time.
        return len(host) <= _LONGEST_HOST and self._mask.fullmatch(host.lower()) is not None
