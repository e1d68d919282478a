"""Updates: from an ad that came to an ad in a table.

Order: sort the lines, find the kind, validate, make the key, count, stamp, store;
then, for slots, the private ad. Nothing is stored unless all before it succeeded.

Source: ``src/condor_collector.V6/collector_engine.cpp: collect, updateClassAd,
mergeClassAd, ValidateClassAd``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command, command_name
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.evaluation import Requirement
from condor_twisted.daemons.collector.state.intake import Intake, sort_lines
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.offline import offline_lines
from condor_twisted.daemons.collector.state.private_twins import with_public_facts
from condor_twisted.daemons.collector.state.records import AdRecord, ArrivedAd
from condor_twisted.daemons.collector.state.refusals import UpdateRefused
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.state.slot_updates import SlotReceiver
from condor_twisted.daemons.collector.state.statistics import (
    UpdateStatistics,
    dropped_between,
)
from condor_twisted.daemons.collector.state.tables import AdStore, AdTable
from condor_twisted.errors import MalformedMessage, RemoteProtocolError
from condor_twisted.wire.messages import EncodedAd, decode_prefixed_ad

__all__ = ["Accepted", "UpdateReceiver", "own_record", "with_last_heard"]

_MY_TYPE: Final = lookup_key(attributes.MY_TYPE)
_TARGET_TYPE: Final = lookup_key(attributes.TARGET_TYPE)
_MY_ADDRESS: Final = lookup_key(attributes.MY_ADDRESS)
_NAME: Final = lookup_key(attributes.NAME)
_LAST_HEARD_FROM: Final = lookup_key(attributes.LAST_HEARD_FROM)
_HAS_START_DAEMON_AD: Final = lookup_key(attributes.HAS_START_DAEMON_AD)
_DYNAMIC_SLOT: Final = lookup_key(attributes.DYNAMIC_SLOT)

#: What a startd's ad made from a slot's lacks.
_NOT_OF_A_STARTD: Final = frozenset(
    (
        b"requirements",
        b"rank",
        b"start",
        b"state",
        b"activity",
        b"slotid",
        b"slottype",
        b"slottypeid",
        _MY_TYPE,
    )
)
#: A forwarder's clock may be ahead of ours by so much.
_CLOCK_SKEW_SECONDS: Final = 120


class Accepted(NamedTuple):
    """An update that was stored.

    Args:
        record: The ad as it is in its table now.
        old: The ad that it replaced, if any.
        wants_ack: Whether the sender waits for ``int 1`` and then a close.
        is_shed: Whether bytes of the message were left over.
        problem: What was wrong with the private ad, if anything; without one the
            public ad is stored all the same.
    """

    record: AdRecord
    old: AdRecord | None
    wants_ack: bool = False
    is_shed: bool = False
    problem: str | None = None

    @property
    def identity_change(self) -> tuple[str, str] | None:
        """Who sent the ad before and who sent it now, where these differ."""
        if self.old is None or self.old.identity == self.record.identity:
            return None
        return self.old.identity, self.record.identity


def own_record(ad: ArrivedAd, last_heard_unix: int) -> AdRecord:
    """The record of the collector's own ad.

    Its counters of all updates have the names of those that other ads are stamped
    with, so they stand where stamps do.

    Args:
        ad: The ad.
        last_heard_unix: When it was made.

    Raises:
        UpdateRefused: The ad has no name.
    """
    key = kinds.COLLECTOR.make_key(ad)
    if key is None:
        raise UpdateRefused("the collector's own ad has no Name")
    tail = b"LastHeardFrom = %d\0" % last_heard_unix
    tail_count = 1
    for name in (attributes.UPDATES_TOTAL, attributes.UPDATES_LOST):
        value = None if ad.stamps is None else ad.stamps.get(lookup_key(name))
        if value is not None:
            tail += name.encode("ascii") + b" = " + value + b"\0"
            tail_count += 1
    return AdRecord.of(kinds.COLLECTOR, key, ad, tail, tail_count, last_heard_unix)


def with_last_heard(tail: bytes, last_heard_unix: int) -> bytes:
    """A record's stamps with another ``LastHeardFrom``, which is the first."""
    return b"LastHeardFrom = %d\0" % last_heard_unix + tail.partition(b"\0")[2]


class UpdateReceiver:
    """Stores what updates bring.

    Args:
        store: The tables.
        statistics: Counts the updates.
        settings: The collector's knobs.
        intake: Reads ads.
    """

    def __init__(
        self,
        store: AdStore,
        statistics: UpdateStatistics,
        settings: CollectorSettings,
        intake: Intake,
    ) -> None:
        self._store = store
        self._statistics = statistics
        self._settings = settings
        self._intake = intake
        self._slots = SlotReceiver(store, statistics, intake)
        self._requirement: Requirement | None = None
        self._takes_slots_quickly = False
        self.reconfigure(settings)

    def reconfigure(self, settings: CollectorSettings) -> None:
        """Go by other settings from now on.

        Raises:
            ConfigError: ``COLLECTOR_REQUIREMENTS`` does not parse; nothing changed.
        """
        text = settings.requirements
        requirement = None
        if text is not None:
            requirement = Requirement.parse("COLLECTOR_REQUIREMENTS", text)
        self._requirement = requirement
        self._settings = settings
        self._takes_slots_quickly = requirement is None and settings.daemon_statistics

    def receive_clear(
        self, command: int, payload: bytes, offset: int, sender: Sender, now: float
    ) -> Accepted:
        """Store the ad, or the two ads, of a message without encryption or key.

        Args:
            command: An update command.
            payload: One whole message.
            offset: Where its first ad begins.
            sender: Who sent it.
            now: The time, in seconds since the epoch.

        Raises:
            UpdateRefused: The ad is not acceptable; nothing is stored.
            RemoteProtocolError: There is no ad; nothing is stored.
        """
        if command == 0 and self._takes_slots_quickly:
            done = self._slots.receive_clear(payload, offset, sender, now)
            if done is not None:
                return Accepted(*done)
        ad, end = self._intake.take(payload, offset)
        accepted = self._accept(command, ad, sender, now)
        if end == len(payload):
            return accepted
        if command != 0 or accepted.record.kind is not kinds.SLOT:
            return accepted._replace(is_shed=True)
        try:
            private, end = self._intake.take(payload, end)
        except RemoteProtocolError as error:
            return accepted._replace(problem=str(error))
        self._accept_private(accepted.record, ad, private, sender, now)
        return accepted if end == len(payload) else accepted._replace(is_shed=True)

    def receive_prefixed(
        self, command: int, payload: bytes, offset: int, sender: Sender, now: float
    ) -> Accepted:
        """The same for a message that was encrypted: its strings have lengths."""
        if command == 0 and self._takes_slots_quickly:
            done = self._slots.receive_prefixed(payload, offset, sender, now)
            if done is not None:
                return Accepted(*done)
        ad, end = decode_prefixed_ad(payload, offset)
        ads, forms = [ad], [payload[offset:end]]
        if command == 0 and end != len(payload):
            # Kept for compatibility: the public ad is stored all the same.
            with contextlib.suppress(RemoteProtocolError):
                ad, behind = decode_prefixed_ad(payload, end)
                ads.append(ad)
                forms.append(payload[end:behind])
        return self.receive(command, ads, sender, now, forms)

    def receive(
        self,
        command: int,
        ads: Sequence[EncodedAd],
        sender: Sender,
        now: float,
        forms: Sequence[bytes] = (),
    ) -> Accepted:
        """Store the ad, or the two ads, of an update that is already cut up.

        Args:
            command: An update command.
            ads: The message's ads; those beyond what the command takes are ignored.
            sender: Who sent it.
            now: The time, in seconds since the epoch.
            forms: The ads as they came on an encrypted stream, if they did.

        Raises:
            UpdateRefused: The ad is not acceptable; nothing is stored.
            RemoteProtocolError: There is no ad; nothing is stored.
        """
        if not ads:
            raise MalformedMessage(f"{command_name(command)} without an ad")
        if command == 0 and self._takes_slots_quickly:
            done = self._slots.receive(ads, sender, now, forms)
            if done is not None:
                return Accepted(*done)
        ad = self._intake.sort(ads[0])
        accepted = self._accept(command, ad, sender, now)
        taken = 1
        if command == 0 and len(ads) > 1 and accepted.record.kind is kinds.SLOT:
            taken = 2
            try:
                private = self._intake.sort(ads[1])
            except RemoteProtocolError as error:
                return accepted._replace(problem=str(error))
            self._accept_private(accepted.record, ad, private, sender, now)
        return accepted if taken == len(ads) else accepted._replace(is_shed=True)

    def store_own(self, ad: EncodedAd, now: float) -> AdRecord:
        """Store the collector's own ad: without stamps about updates or senders.

        Args:
            ad: The ad; its secret lines are its private attributes.
            now: The time, in seconds since the epoch.

        Raises:
            UpdateRefused: The ad has no name.
        """
        lines = ad.body.split(b"\0")[:-1]
        record = own_record(sort_lines(lines, ad.secret_lines), int(now))
        self._store.put(self._store.table(kinds.COLLECTOR), record)
        return record

    def _accept(
        self, command: int, ad: ArrivedAd, sender: Sender, now: float
    ) -> Accepted:
        kind = kinds.UPDATE_KINDS.get(command)
        if kind is kinds.SLOT:
            if command == Command.MERGE_STARTD_AD:
                return self._merge(ad, sender, now)
            if ad.raw(_MY_TYPE) != b'"Machine"':
                my_type = ad.string(attributes.MY_TYPE)
                if my_type is not None and my_type.lower() == "startd":
                    kind = kinds.STARTD
        if self._requirement is not None or command == Command.UPDATE_OWN_SUBMITTOR_AD:
            self._validate(command, kind, ad, sender, now)
        my_type = None
        if kind is not None:
            table = self._store.table(kind)
        elif command == Command.UPDATE_AD_GENERIC:
            my_type = ad.string(attributes.MY_TYPE) or ""
            generic = self._store.generic_table(my_type)
            if generic is None:
                if not self._store.may_add_type(my_type):
                    raise UpdateRefused(
                        f"no room for another generic type {my_type[:64]!r}", True
                    )
                kind = kinds.generic_kind(my_type)
                generic = AdTable(kind)
            table = generic
            kind = table.kind
        else:
            raise UpdateRefused(f"{command_name(command)} is no update")
        key = kind.make_key(ad)
        if key is None:
            raise UpdateRefused(
                f"an ad for {kind.my_type or 'a type without name'} lacks what its "
                "key is made of"
            )
        is_acknowledged = command == Command.UPDATE_STARTD_AD_WITH_ACK
        if is_acknowledged and self._settings.persistent_ad_log is not None:
            ad = self._as_offline(ad, now)
        old = table.records.get(key)
        record = self._record(kind, key, ad, old, sender, now, not is_acknowledged)
        if old is None and not self._store.has_room(record.size_bytes):
            raise UpdateRefused(f"no room for another ad ({kind.my_type})", True)
        if kind is kinds.NEGOTIATOR and self._settings.allow_only_one_negotiator:
            for other in [each for each in table.records if each != key]:
                self._store.remove(table, other)
        elif my_type is not None and not table.records:
            table = self._store.add_type(my_type)
        self._store.put(table, record)
        if (
            kind is kinds.SLOT
            and ad.raw(_HAS_START_DAEMON_AD) is None
            and is_primary_slot(ad)
        ):
            self._synthesize_startd(record, sender, now, not is_acknowledged)
        return Accepted(record, old, is_acknowledged)

    def _record(
        self,
        kind: kinds.AdKind,
        key: str,
        ad: ArrivedAd,
        old: AdRecord | None,
        sender: Sender,
        now: float,
        is_stamped: bool,
    ) -> AdRecord:
        """Count an update and make its record."""
        sequence = (
            ad.integer(attributes.UPDATE_SEQUENCE_NUMBER),
            ad.integer(attributes.DAEMON_START_TIME),
        )
        sequenced, dropped = False, 0
        if old is not None:
            sequenced, dropped = dropped_between(old.sequence, sequence)
        statistics = self._statistics
        statistics.count_update(kind.label, sequenced, dropped)
        last_heard = int(now) if ad.stamps is None else self._age(ad, sender, now)
        senders, senders_count = sender.stamp if is_stamped else (b"", 0)
        address = name = None
        if self._settings.daemon_statistics:
            address = ad.string(attributes.MY_ADDRESS)
            name = key if kind.key_names_daemon else kinds.SLOT.make_key(ad)
        tail = b"LastHeardFrom = %d\0" % last_heard
        tail_count = 1 + senders_count
        if address is not None and name is not None:
            daemon = statistics.daemon(kind.label, name, address)
            daemon.count(sequenced, dropped, statistics.history_bits)
            tail += daemon.lines(statistics.history_bits)
            tail_count += 4
        tail += senders
        record = AdRecord.of(kind, key, ad, tail, tail_count, last_heard)
        record.sequence = sequence
        record.identity = sender.identity or ""
        return record

    def _age(self, ad: ArrivedAd, sender: Sender, now: float) -> int:
        """When the ad was heard: a forwarder's word is taken, within reason."""
        text = None if ad.stamps is None else ad.stamps.get(_LAST_HEARD_FROM)
        if text is not None and sender.is_forwarder:
            heard = _timestamp(text, now)
            if heard is not None:
                return heard
        return int(now)

    def _accept_private(
        self,
        record: AdRecord,
        public: ArrivedAd,
        private: ArrivedAd,
        sender: Sender,
        now: float,
    ) -> None:
        """Store a slot's private ad under the key of its public one."""
        ad = private
        name = public.raw(_NAME)
        if (
            private.raw(_MY_TYPE) == public.raw(_MY_TYPE)
            and private.raw(_MY_ADDRESS) == public.raw(_MY_ADDRESS)
            and private.raw(_NAME) is None
        ):
            # The usual case: only the name is missing.
            if name is not None:
                body = private.body + b"Name = " + name + b"\0"
                ad = ArrivedAd(body, private.count + 1, private.private_lines)
        else:
            ad = with_public_facts(private, public)
        heard = int(now) if private.stamps is None else self._age(private, sender, now)
        tail = b"LastHeardFrom = %d\0" % heard
        twin = AdRecord.of(kinds.SLOT_PRIVATE, record.key, ad, tail, 1, heard)
        twin.identity = record.identity
        self._store.put(self._store.table(kinds.SLOT_PRIVATE), twin)

    def _synthesize_startd(
        self, slot: AdRecord, sender: Sender, now: float, is_stamped: bool
    ) -> None:
        """Store an ad of the startd itself, made from its first slot's."""
        lines = [
            line
            for line in slot.body.split(b"\0")[:-1]
            if line[: line.index(b" ")].lower() not in _NOT_OF_A_STARTD
        ]
        lines.append(b'MyType = "StartD"')
        count = len(lines)
        lines.append(b"")
        ad = ArrivedAd(b"\0".join(lines), count)
        table = self._store.table(kinds.STARTD)
        old = table.records.get(slot.key)
        record = self._record(kinds.STARTD, slot.key, ad, old, sender, now, is_stamped)
        if old is not None or self._store.has_room(record.size_bytes):
            self._store.put(table, record)

    def _merge(self, ad: ArrivedAd, sender: Sender, now: float) -> Accepted:
        """Overwrite single attributes of a stored slot ad."""
        if self._requirement is not None:
            self._validate(Command.MERGE_STARTD_AD, kinds.SLOT, ad, sender, now)
        key = kinds.SLOT.make_key(ad)
        table = self._store.table(kinds.SLOT)
        old = None if key is None else table.records.get(key)
        if key is None or old is None:
            raise UpdateRefused("a merge into an ad that is not there")
        added = [
            line
            for line in ad.body.split(b"\0")[:-1]
            if line[: line.index(b" ")].lower() not in (_MY_TYPE, _TARGET_TYPE)
        ]
        merged = sort_lines(
            [*old.body.split(b"\0")[:-1], *added, *old.private_lines, *ad.private_lines]
        )
        heard = old.last_heard_unix
        text = None if ad.stamps is None else ad.stamps.get(_LAST_HEARD_FROM)
        if text is not None:
            sent = _timestamp(text, now)
            heard = heard if sent is None else sent
        tail = with_last_heard(old.tail, heard)
        record = AdRecord.of(kinds.SLOT, key, merged, tail, old.tail_count, heard)
        record.sequence = old.sequence
        record.identity = old.identity
        self._store.put(table, record)
        return Accepted(record, old)

    def _as_offline(self, ad: ArrivedAd, now: float) -> ArrivedAd:
        """The ad of a machine that goes to sleep, as it will look while asleep."""
        if ad.raw(lookup_key(attributes.OFFLINE)) is not None:
            return ad
        lifetime = self._settings.offline_expire_after_seconds
        lines = ad.body.split(b"\0")[:-1]
        rewritten = sort_lines([*lines, *offline_lines(now, lifetime)])
        rewritten.private_lines = ad.private_lines
        return rewritten

    def _validate(
        self,
        command: int,
        kind: kinds.AdKind | None,
        ad: ArrivedAd,
        sender: Sender,
        now: float,
    ) -> None:
        """Refuse an ad that contradicts itself, its sender or the configuration."""
        older = None if kind is None else kind.address_attribute
        if older is not None:
            address = ad.string(older)
            if address is not None and address != ad.string(attributes.MY_ADDRESS):
                raise UpdateRefused(f"{older} and MyAddress differ")
        if command == Command.UPDATE_OWN_SUBMITTOR_AD:
            owner = sender.owner
            if not owner or owner == "unmapped":
                raise UpdateRefused("an own submitter ad from nobody")
            name = ad.string(attributes.NAME)
            if name is None:
                raise UpdateRefused("an own submitter ad without Name")
            user = name.partition("@")[0].rpartition(".")[2]
            if user != owner:
                raise UpdateRefused("an own submitter ad in somebody else's name")
        requirement = self._requirement
        if requirement is not None and not requirement.accepts(ad, now):
            raise UpdateRefused("COLLECTOR_REQUIREMENTS does not accept the ad")


def is_primary_slot(ad: ArrivedAd | AdRecord) -> bool:
    """Whether a slot ad speaks for its startd as well.

    Source: ``src/condor_collector.V6/collector_engine.cpp: is_primary_slot_ad``.
    """
    return ad.raw(_DYNAMIC_SLOT) is None and ad.integer(attributes.SLOT_ID) == 1


def _timestamp(text: bytes, now: float) -> int | None:
    """A time that a peer sent, if it is a time that can have been."""
    if not text.isdigit() or len(text) > 18:
        return None
    value = int(text)
    return value if value <= now + _CLOCK_SKEW_SECONDS else None
