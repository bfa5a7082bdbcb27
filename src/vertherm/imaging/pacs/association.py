"""One DIMSE association (PS3.8): opened with or without TLS, and its failures in our words."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from vertherm.imaging.pacs.errors import ArchiveError, TransientError
from vertherm.imaging.pacs.settings import Dimse

# PS3.8 9.3.2: context ids are the odd numbers of one byte.
MOST_CONTEXTS = 128
_REJECTED_FOR_NOW = 2


@contextmanager
def associated(
    settings: Dimse,
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    receiving: Sequence[str] = (),
    store_handler: Callable[[Any], int] | None = None,
) -> Iterator[Any]:
    """An established pynetdicom association, released or aborted at the end.

    Args:
        settings: the archive.
        contexts: abstract syntax and transfer syntaxes of each presentation context, at most 128.
        receiving: SOP classes in whose contexts the archive sends to us (C-GET).
        store_handler: called for each instance that it sends.

    Raises:
        TransientError: no connection, or rejected for now.
        ArchiveError: rejected, aborted, no context accepted, or no trusted TLS.
    """
    from pynetdicom import build_role, evt

    entity = _entity(settings, contexts)
    prompted = (evt.EVT_CONN_OPEN, evt.EVT_DATA_RECV, evt.EVT_DATA_SENT)
    handlers: list[Any] = [(event, _prompt) for event in prompted]
    handlers += [(evt.EVT_C_STORE, store_handler)] if store_handler is not None else []
    tls = _tls_context(settings)
    roles = [build_role(sop_class, scp_role=True) for sop_class in receiving]
    association = entity.associate(
        settings.host, settings.port, ae_title=settings.called_ae, evt_handlers=handlers, max_pdu=1 << 18,
        ext_neg=roles, tls_args=(tls, settings.host) if tls is not None else None,
    )  # fmt: skip
    if not association.is_established:
        raise _not_established(settings, association, tls)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def _entity(settings: Dimse, contexts: Sequence[tuple[str, Sequence[str]]]) -> Any:
    from pynetdicom import AE

    entity = AE(settings.calling_ae)
    entity.connection_timeout = settings.connect_s
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = settings.read_s
    for abstract, syntaxes in contexts:
        entity.add_requested_context(abstract, list(syntaxes))
    return entity


def _prompt(event: Any) -> None:
    """Send and acknowledge at once: a DIMSE message is several small writes, each else waits 40 ms (Nagle)."""
    with suppress(OSError, AttributeError):
        connection = event.assoc.dul.socket.socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_QUICKACK"):
            # Linux takes this back on its own, so it is set again and again.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def where(settings: Dimse) -> str:
    """The archive's address for messages."""
    return f"{settings.called_ae} at {settings.host}:{settings.port}"


def lost(settings: Dimse, what: str) -> TransientError:
    """The error of an answer that did not come."""
    return TransientError(
        f"The archive did not answer the {what}, or broke the connection off.",
        where=where(settings), expected=f"an answer within {settings.read_s:g} s",
    )  # fmt: skip


class _Context(ssl.SSLContext):
    """Knows its sockets: pynetdicom 3.0.4 does not close the one whose handshake failed."""

    _made: tuple[ssl.SSLSocket, ...] = ()

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        made = super().wrap_socket(*args, **kwargs)
        self._made = (*self._made, made)
        return made

    def close(self) -> None:
        for made in self._made:
            made.close()
        self._made = ()


def _tls_context(settings: Dimse) -> _Context | None:
    from vertherm.imaging.pacs.web_session import VERSIONS, need_certificates

    if settings.tls is None:
        return None
    given = settings.tls
    need_certificates(settings.name, given.ca_file, given.certificate, given.key)
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    if given.ca_file is not None:
        context.load_verify_locations(str(given.ca_file))
    else:
        context.load_default_certs()
    context.minimum_version = VERSIONS[given.minimum_version]
    if given.certificate is not None:
        context.load_cert_chain(str(given.certificate), str(given.key))
    return context


def _not_established(settings: Dimse, association: Any, tls: _Context | None) -> ArchiveError:
    at = where(settings)
    if tls is not None:
        tls.close()
    if association.is_rejected:
        answer = association.acceptor.primitive
        kind = TransientError if answer.result == _REJECTED_FOR_NOW else ArchiveError
        return kind(
            "The archive rejected the association.", where=at, got=f"{answer.result_str}: {answer.reason_str}",
            advice=f"the archive must know {settings.calling_ae} as calling AE title, "
            f"and be {settings.called_ae} itself",
        )  # fmt: skip
    if association.acceptor.primitive is not None and not association.accepted_contexts:
        return ArchiveError(
            "The archive accepts none of the services or kinds of object that were asked for.", where=at,
            advice="the archive may not support them",
        )  # fmt: skip
    # pynetdicom keeps the cause of a failed connection to itself: the same connection once more tells it.
    return _probe(settings, tls) or TransientError("The archive broke the association off.", where=at)


def _probe(settings: Dimse, tls: ssl.SSLContext | None) -> ArchiveError | None:
    from vertherm.imaging.pacs.web_session import tls_error

    at = where(settings)
    try:
        with socket.create_connection((settings.host, settings.port), timeout=settings.connect_s) as plain:
            if tls is not None:
                with tls.wrap_socket(plain, server_hostname=settings.host) as secured:
                    # With TLS 1.3 a refused client certificate shows at the first read.
                    secured.settimeout(0.5)
                    with suppress(TimeoutError):
                        secured.recv(1)
    except ssl.SSLError as error:
        return tls_error(at, error)
    except TimeoutError:
        return TransientError(
            "The archive did not answer in time.", where=at, got="no connection",
            expected=f"a connection within {settings.connect_s:g} s",
        )  # fmt: skip
    except OSError as error:
        return TransientError(
            "The connection to the archive failed.", where=at, got=error.strerror or type(error).__name__,
            advice="check that it runs and that host and port are right",
        )  # fmt: skip
    return None
