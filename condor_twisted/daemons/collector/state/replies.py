"""Ads as bytes of a reply, in the form that the stream wants.

Layout of a reply: any number of ``int 1`` and an ad, then ``int 0``. On an encrypted
stream every string has its length in front; private lines go as secrets.

Source: ``src/condor_collector.V6/collector.cpp: receive_query_cedar_worker_thread``,
``src/condor_utils/classad_oldnew.cpp: _putClassAd``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.daemons.collector.state.prefixed_forms import PrefixedText
from condor_twisted.daemons.collector.state.projection import ProjectedAd
from condor_twisted.daemons.collector.state.records import AdRecord, ad_header
from condor_twisted.daemons.collector.state.tables import AdStore
from condor_twisted.wire.messages import (
    PREFIXED_TYPE_SLOTS,
    MessageWriter,
    SecretCipher,
    encode_prefixed,
)

__all__ = ["END_OF_REPLY", "ReplyForm"]

END_OF_REPLY: Final = bytes(8)

_CLEAR_TYPE_SLOTS: Final = b"\0\0"
_MARKER: Final = "ZKM"


class ReplyForm:
    """How one reply is written.

    Args:
        is_encrypted: Whether the stream's crypto mode is on.
        secrets: Encrypts the secrets of this reply while the mode is off.
        store: Keeps ads in the form of encrypted streams.
    """

    __slots__ = ("_secrets", "_store", "is_encrypted")

    def __init__(
        self,
        store: AdStore,
        is_encrypted: bool = False,
        secrets: SecretCipher | None = None,
    ) -> None:
        self.is_encrypted: Final = is_encrypted
        self._secrets = secrets
        self._store = store

    def public_ads(self, records: list[AdRecord], pieces: list[bytes]) -> None:
        """Append whole ads without their private attributes.

        Args:
            records: Checked records.
            pieces: What the reply is made of so far.
        """
        if self.is_encrypted:
            for record in records:
                prefixed = record.prefixed
                if prefixed is None or not prefixed.tail:
                    prefixed = self._prefixed(record)
                pieces += (
                    ad_header(record.count + record.tail_count),
                    prefixed.body,
                    prefixed.tail,
                    PREFIXED_TYPE_SLOTS,
                )
            return
        for record in records:
            pieces += (
                ad_header(record.count + record.tail_count),
                record.body,
                record.tail,
                _CLEAR_TYPE_SLOTS,
            )

    def whole_ad(self, record: AdRecord, private_lines: tuple[bytes, ...]) -> bytes:
        """One ad with private attributes."""
        return self.ad((record.count + record.tail_count, record.text(), private_lines))

    def ad(self, projected: ProjectedAd) -> bytes:
        """One ad of public and private lines."""
        count, body, private_lines = projected
        if not private_lines:
            if self.is_encrypted:
                lines = encode_prefixed(body)
                return ad_header(count) + lines + PREFIXED_TYPE_SLOTS
            return ad_header(count) + body + _CLEAR_TYPE_SLOTS
        writer = MessageWriter(self.is_encrypted, self._secrets)
        writer.put_bytes(ad_header(count + len(private_lines)))
        writer.put_bytes(encode_prefixed(body) if self.is_encrypted else body)
        for line in private_lines:
            writer.put_string(_MARKER)
            writer.put_secret(line)
        writer.put_string(b"")
        writer.put_string(b"")
        return writer.end_of_message()

    def _prefixed(self, record: AdRecord) -> PrefixedText:
        """A record's lines in prefixed form; kept while there is room."""
        known = record.prefixed
        tail = encode_prefixed(record.tail)
        if known is None or not known.body:
            prefixed = PrefixedText(encode_prefixed(record.body), tail)
        else:
            prefixed = PrefixedText(known.body, tail, known.shape)
        self._store.keep_prefixed(record, prefixed)
        return prefixed
