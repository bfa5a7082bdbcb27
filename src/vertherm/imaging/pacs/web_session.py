"""The HTTP session with an archive: TLS, log-on, time-outs, and errors in our words."""

from __future__ import annotations

import base64
import logging
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vertherm.imaging.pacs.errors import ArchiveError, TransientError
from vertherm.imaging.pacs.settings import Dicomweb

if TYPE_CHECKING:
    import requests

# Overload and gateways: the request may be repeated. Every other 4xx and 5xx stays what it is.
TRANSIENT = frozenset((429, 502, 503, 504))
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_PLAIN = {"%2A": "*", "%3F": "?", "%2C": ","}
_MEANING = {
    400: ("calls the request wrong", "the archive may not support it"),
    401: ("wants a valid log-on", "check token or password and the variable or file it comes from"),
    403: ("forbids this", "ask its administrator for the right to do it"),
    404: ("does not know that", "check the UIDs, and the address"),
    406: ("cannot answer in this form", "the archive may not support it"),
    409: ("stored none of it", "see the reason of each instance"),
    413: ("finds the request too large", "lower batch_mb and batch_instances"),
    415: ("does not take this kind of object", "the archive may not support it"),
}


def session_of(settings: Dicomweb) -> requests.Session:
    """A session that uses neither the environment's proxies nor its passwords, and follows no redirection.

    Raises:
        InputError: a secret that is not there.
        ArchiveError: certificates that cannot be read.
    """
    import requests

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            # Wildcards and commas may stand in a query as they are (RFC 3986), and some archives know them only so.
            head, mark, query = (request.url or "").partition("?")
            request.url = head + mark + re.sub("%2A|%3F|%2C", lambda code: _PLAIN[code[0]], query)
            return super().send(request, *args, **kwargs)

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_minimum_version=VERSIONS[settings.tls.minimum_version], **kwargs)

    session = requests.Session()
    session.trust_env = False
    # A redirection could carry images and the token elsewhere.
    session.max_redirects = 0
    session.mount("https://", Adapter())
    session.mount("http://", Adapter())
    tls = settings.tls
    need_certificates(settings.name, tls.ca_file, tls.certificate, tls.key)
    if tls.ca_file is not None:
        session.verify = str(tls.ca_file)
    if tls.certificate is not None:
        session.cert = (str(tls.certificate), str(tls.key))
    given = settings.credentials
    if given is not None and given.user is not None:
        pair = f"{given.user}:{given.secret(settings.name)}".encode()
        session.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
    elif given is not None:
        session.headers["Authorization"] = f"Bearer {given.secret(settings.name)}"
    return session


def need_certificates(name: str, ca_file: object, certificate: object, key: object) -> None:
    """Read the given PEM files once.

    Raises:
        ArchiveError: one of them is missing or holds no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_file is not None:
            context.load_verify_locations(str(ca_file))
        if certificate is not None:
            # An encrypted key would else ask on the terminal, where nobody may be.
            context.load_cert_chain(str(certificate), str(key), password=lambda: "")
    except (OSError, ValueError) as error:
        raise ArchiveError(
            "A certificate or key cannot be read.",
            where=f"archive {name}: {', '.join(str(path) for path in (ca_file, certificate, key) if path is not None)}",
            got=getattr(error, "strerror", None) or type(error).__name__,
            expected="PEM files; the key not encrypted",
        ) from None


def checked(response: requests.Response, what: str) -> requests.Response:
    """``response``, if its status says success.

    Raises:
        TransientError: overload or a gateway's trouble.
        ArchiveError: any other status of 300 and more.
    """
    if response.status_code >= 300:
        failure = status_error(response, what)
        response.close()
        raise failure
    return response


def status_error(response: requests.Response, what: str) -> ArchiveError:
    """The error of an HTTP status; the archive's own text is left out, it may repeat names."""
    code = response.status_code
    meaning, advice = _MEANING.get(code, ("failed" if code >= 500 else "redirects" if code < 400 else "refuses", ""))
    error = (TransientError if code in TRANSIENT else ArchiveError)(
        f"The archive {meaning}.", where=f"{what} at {address(response.url or '')}", got=f"HTTP status {code}",
        expected="success", advice=advice,
    )  # fmt: skip
    error.status = code
    after = response.headers.get("Retry-After", "")
    if isinstance(error, TransientError) and after.isascii() and after.isdigit():
        error.pause_s = float(after[:6])
    return error


def address(url: str) -> str:
    """An address without its query, in which names of patients may stand."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def answering(settings: Dicomweb, what: str) -> Iterator[None]:
    """Turn what requests and dicomweb-client raise into our errors; their texts hold addresses with queries."""
    import requests

    where = f"{what} at {settings.url}"
    # dicomweb-client's helper writes each failure with its traceback to stderr.
    noisy = logging.getLogger("retrying")
    silent, noisy.disabled = noisy.disabled, True
    try:
        yield
    except requests.exceptions.HTTPError as error:
        if error.response is None:
            raise ArchiveError("The archive failed.", where=where) from None
        raise status_error(error.response, what) from None
    except requests.exceptions.SSLError as error:
        raise tls_error(where, error) from None
    except requests.exceptions.TooManyRedirects:
        raise ArchiveError(
            "The archive redirects to another address, which is not followed.", where=where,
            advice="give the address that it redirects to, if you trust it",
        ) from None  # fmt: skip
    except requests.exceptions.Timeout as error:
        raise TransientError(
            "The archive did not answer in time.", where=where,
            got="no connection" if isinstance(error, requests.exceptions.ConnectTimeout) else "no answer",
            expected=f"a connection within {settings.connect_s:g} s, then a sign of life every {settings.read_s:g} s",
        ) from None  # fmt: skip
    except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError, ConnectionError) as error:
        raise TransientError(
            "The connection to the archive failed or broke off.", where=where, got=_root(error),
            advice="check that it runs and that address and port are right",
        ) from None  # fmt: skip
    except (requests.exceptions.RequestException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(
            "The archive's answer cannot be understood.", where=where, got=type(error).__name__,
            advice="check that the address is that of a DICOMweb service",
        ) from None  # fmt: skip
    finally:
        noisy.disabled = silent


def tls_error(where: str, error: BaseException) -> ArchiveError:
    """The error of a TLS handshake that failed."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        found = _inner(found)
    reason = getattr(found, "verify_message", "") or getattr(found, "reason", "") or "handshake failed"
    return ArchiveError(
        "No trusted encrypted connection to the archive.", where=where, got=reason,
        expected="a certificate for this host, signed by an authority that is believed",
        advice="set ca_file to the authority of the archive, and certificate and key where it demands them",
    )  # fmt: skip


def _inner(error: BaseException) -> BaseException | None:
    """The exception within: chained, as the reason, or as an argument."""
    held = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    return next((item for item in held if isinstance(item, BaseException)), None)


def _root(error: BaseException) -> str:
    deepest, inner = error, _inner(error)
    for _ in range(8):
        if inner is None:
            break
        deepest, inner = inner, _inner(inner)
    return str(getattr(deepest, "strerror", None) or type(deepest).__name__)
