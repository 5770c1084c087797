"""TLS: the context that `run_app` makes of certificate files, and what an application is told of a connection's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl

    from framework.typedefs import PathLike

__all__ = ["CertificateFiles", "offer_http2", "tls_extension"]

# RFC 4514, section 3: the attribute types with a short name; any other would be written as an object identifier, which
# Python's getpeercert() does not tell.
_SHORT_NAMES = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}

# The protocol's numbers as they go over the wire, which is how ASGI's extension has them.
_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


class CertificateFiles(NamedTuple):
    """Where a server's certificate is.

    Unlike a context, it can be handed to other processes, and to servers that do not use Python's ``ssl``.
    """

    certfile: str
    keyfile: str | None = None
    password: str | None = None

    @classmethod
    def of(
        cls, certfile: PathLike | None, keyfile: PathLike | None, password: str | None, ssl_context: object
    ) -> CertificateFiles | None:
        """What `run_app` was given; None without a certificate.

        Raises:
            ValueError: a part is missing or cannot be used, or there is a context as well.
            OSError: a file cannot be read.
        """
        if certfile is None:
            if keyfile is not None or password is not None:
                raise ValueError("ssl_keyfile and ssl_keyfile_password go with ssl_certfile, which is missing")
            return None
        if ssl_context is not None:
            raise ValueError("run_app() takes ssl_context or ssl_certfile, not both; load the files into the context")
        files = cls(os.fspath(certfile), None if keyfile is None else os.fspath(keyfile), password)
        # Before anything has begun; and granian ends its process where something is wrong.
        files.make_context()
        return files

    def make_context(self) -> ssl.SSLContext:
        """A context with Python's defaults for servers: TLS 1.2 and newer, clients are not asked for a certificate.

        Raises:
            OSError: a file cannot be read.
            ValueError: it has something else in it, or the password is wrong.
        """
        import ssl

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password OpenSSL would ask the terminal for one, which in a worker nobody reads.
            context.load_cert_chain(self.certfile, self.keyfile, self.password or "")
        except ssl.SSLError as exc:
            raise ValueError(self._explain(exc.reason or str(exc))) from exc
        except OSError:
            # ssl does not say which of the two.
            self._read(self.certfile)
            self._read(self.keyfile or self.certfile)
            raise
        return context

    def _explain(self, reason: str) -> str:
        """What is wrong with the files, for which OpenSSL has few words."""
        keyfile = self.keyfile or self.certfile
        # RFC 7468, sections 5, 10 and 11; and the older forms of keys, "RSA PRIVATE KEY" and "EC PRIVATE KEY".
        if "-----BEGIN CERTIFICATE-----" not in self._read(self.certfile):
            return f"ssl_certfile={self.certfile!r} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        key = self._read(keyfile)
        if "PRIVATE KEY-----" not in key:
            where = f"ssl_keyfile={keyfile!r} has" if self.keyfile else f"ssl_keyfile= is missing: {keyfile!r} has"
            return f"{where} no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
        if reason == "KEY_VALUES_MISMATCH":
            return f"the key in {keyfile!r} does not belong to the first certificate in {self.certfile!r}"
        if "ENCRYPTED" in key:
            fault = "ssl_keyfile_password= is wrong" if self.password else "give its password, ssl_keyfile_password="
            return f"the key in {keyfile!r} is encrypted: {fault}"
        return f"the certificate in {self.certfile!r} with the key in {keyfile!r} cannot be used: {reason}"

    @staticmethod
    def _read(path: str) -> str:
        with open(path, encoding="latin-1") as file:  # noqa: PTH123
            return file.read()


def offer_http2(context: ssl.SSLContext, http2: bool) -> None:
    """Have TLS agree with the client on HTTP/2, or on HTTP/1.1, by ALPN (RFC 7301)."""
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])


def tls_extension(ssl_object: ssl.SSLObject | ssl.SSLSocket) -> dict[str, Any]:
    """What ASGI's TLS extension tells of a connection.

    The chain has the client's own certificate only: Python tells no more of it before 3.13. Without a client
    certificate it is empty. ``server_cert`` is None: Python does not tell which of its certificates it has sent.
    ``peercert`` is not of the extension: it is the certificate as ``getpeercert()`` gives it, and as programs for
    aiohttp ask for it.
    """
    import ssl

    encoded = ssl_object.getpeercert(binary_form=True)
    # Without verification Python does not decode it: the dict is empty.
    decoded: Any = ssl_object.getpeercert() or None
    cipher = ssl_object.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": [] if encoded is None else [ssl.DER_cert_to_PEM_cert(encoded)],
        "client_cert_name": None if decoded is None else _distinguished_name(decoded["subject"]),
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(ssl_object.version() or ""),
        "cipher_suite": None if cipher is None else _cipher_number(ssl_object, cipher[0]),
        "peercert": decoded,
    }


def _cipher_number(ssl_object: ssl.SSLObject | ssl.SSLSocket, name: str) -> int | None:
    for cipher in ssl_object.context.get_ciphers():
        if cipher["name"] == name:
            # OpenSSL puts the protocol's number, 3, above the two octets of the suite.
            return int(cipher["id"]) & 0xFFFF
    return None


def _distinguished_name(subject: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """RFC 4514, section 2: the last part first, and what would be read as punctuation escaped."""
    return ",".join(
        "+".join(f"{_SHORT_NAMES.get(kind, kind)}={_escape(value)}" for kind, value in part)
        for part in reversed(subject)
    )


def _escape(value: str) -> str:
    # RFC 4514, section 2.4.
    escaped = "".join(
        f"\\{character}" if character in '"+,;<>\\' else "\\00" if character == "\0" else character
        for character in value
    )
    if escaped.startswith((" ", "#")):
        escaped = f"\\{escaped}"
    if value.endswith(" ") and len(value) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return escaped
