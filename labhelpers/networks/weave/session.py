"""``Session``: the key of one connection between two peers, and what is sealed with it.

Both ends make a fresh pair of keys for every connection and exchange the public ones.  The key is a hash of the secret
that follows from them (X25519) and of the password, which is never sent.  Everything is sealed by NaCl's secretbox
(XSalsa20 and Poly1305).  A nonce is used once: it is a counter, the direction, and whether it is a datagram.

Source: Weave's ``site/how-it-works/encryption-implementation.md``; https://nacl.cr.yp.to/secretbox.html.
"""

from __future__ import annotations

import hashlib
import struct

from nacl import bindings
from nacl.exceptions import CryptoError

from labhelpers.networks.weave.refused import Refused
from labhelpers.networks.weave.replay import Window

__all__ = ["OVERHEAD", "Session", "new_keys"]

#: bytes that sealing adds to a datagram: its number, and the tag that shows whether it is genuine
OVERHEAD = 8 + bindings.crypto_secretbox_MACBYTES
_NONCE = struct.Struct("!QB15x")
_NUMBER = struct.Struct("!Q")
_FROM_CALLER, _DATAGRAM = 1, 2  # bits of a nonce


def new_keys() -> tuple[bytes, bytes]:
    """A fresh pair for one connection: the public key, and the secret one."""
    return bindings.crypto_box_keypair()


class Session:
    """Seals what this end sends, opens what the other end sent.  Without a password nothing is sealed.

    Args:
        is_caller: this end has opened the connection.

    Raises:
        Refused: the other end's public key is none.
    """

    def __init__(self, secret: bytes, theirs: bytes, password: str, *, is_caller: bool) -> None:
        self.is_sealed = bool(password)
        self._sent, self._sent_messages, self._received_messages = 0, 0, 0
        self._window = Window()
        self._mine, self._its = (_FROM_CALLER, 0) if is_caller else (0, _FROM_CALLER)
        if self.is_sealed:
            if len(theirs) != bindings.crypto_scalarmult_BYTES:  # the library would read on behind it
                raise Refused("a public key that is none")
            try:
                shared = bindings.crypto_scalarmult(secret, theirs)
            except CryptoError:  # a point at which all secrets lead to the same
                raise Refused("a public key that is none") from None
            self._key = hashlib.sha256(shared + password.encode()).digest()

    def seal(self, payload: bytes) -> bytes:
        """A datagram to send: a number, then the payload."""
        number = self._sent
        self._sent += 1
        sealed = self._seal(payload, number, self._mine | _DATAGRAM) if self.is_sealed else payload
        return _NUMBER.pack(number) + sealed

    def open(self, datagram: bytes) -> bytes:
        """The payload of a datagram that was received.

        Raises:
            Refused: it is cut off, not genuine, or came before.
        """
        if len(datagram) < _NUMBER.size:
            raise Refused("a datagram that is cut off")
        (number,) = _NUMBER.unpack_from(datagram)
        if not self.is_sealed:
            return datagram[_NUMBER.size :]
        if not self._window.is_new(number):
            raise Refused("a datagram that came before")
        payload = self._open(datagram[_NUMBER.size :], number, self._its | _DATAGRAM)
        self._window.remember(number)  # only now: a forged number must not make genuine ones look old
        return payload

    def seal_message(self, payload: bytes) -> bytes:
        """A message to send on the TCP connection.  Its number is not sent: both ends count."""
        number = self._sent_messages
        self._sent_messages += 1
        return self._seal(payload, number, self._mine) if self.is_sealed else payload

    def open_message(self, message: bytes) -> bytes:
        """A message that was received.

        Raises:
            Refused: it is not genuine, or not the one that is due.
        """
        if not self.is_sealed:
            return message
        payload = self._open(message, self._received_messages, self._its)
        self._received_messages += 1
        return payload

    def _seal(self, payload: bytes, number: int, flags: int) -> bytes:
        return bindings.crypto_secretbox(payload, _NONCE.pack(number, flags), self._key)

    def _open(self, sealed: bytes, number: int, flags: int) -> bytes:
        try:
            return bindings.crypto_secretbox_open(sealed, _NONCE.pack(number, flags), self._key)
        except (CryptoError, ValueError):
            raise Refused("sealed with another key, or changed on the way") from None
