"""`condor_twisted.security.sessions.session`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.sessions.session import (
    ReplayGuard,
    SecuritySession,
    SessionCache,
    command_numbers,
    datagram_key,
    make_session_id,
)

AES = SessionKey(CryptoMethod.AES, bytes(range(32)))
BLOWFISH = SessionKey(CryptoMethod.BLOWFISH, bytes(range(24)))


def session(name: str, **facts: Any) -> SecuritySession:
    """A session of this id."""
    return SecuritySession(
        **{
            "id": name,
            "keys": (AES,),
            "expires_at": 100.0,
            "lease_seconds": 10,
            "last_used_at": 0.0,
            **facts,
        }
    )


def known(name: str, **facts: Any) -> SecuritySession:
    """A session of somebody."""
    return session(name, user="alice@dom", method="FS", **facts)


class SessionIdTests(SynchronousTestCase):
    """Ids."""

    def test_mnh_4_7_128_bits(self) -> None:
        """An id is readable in front and has 16 random bytes behind."""
        name = make_session_id("host.dom", 12, 34, 5, bytes(range(16)))
        self.assertEqual(name, "host.dom:12:34:5:" + bytes(range(16)).hex())
        self.assertRaises(AssertionError, make_session_id, "h", 1, 2, 3, bytes(15))

    def test_no_separators_in_ids(self) -> None:
        """An id never has what separates it from an address in a datagram."""
        name = make_session_id("a, b\n" + "x" * 500, 1, 2, 3, bytes(16))
        self.assertFalse(set(name) & set(", \n"))
        self.assertLessEqual(len(name), 256)


class SecuritySessionTests(SynchronousTestCase):
    """One session."""

    def test_expiry_and_lease(self) -> None:
        """A session ends with its life or its lease, whichever is first."""
        one = session("a")
        self.assertFalse(one.is_expired(9.9))
        self.assertTrue(one.is_expired(10))
        one.renew(95)
        self.assertFalse(one.is_expired(99.9))
        self.assertTrue(one.is_expired(100))
        endless = session("b", expires_at=None, lease_seconds=0)
        self.assertFalse(endless.is_expired(1e12))

    def test_keys(self) -> None:
        """The first key is the stream's; each cipher's key is found."""
        one = session("a", keys=(AES, BLOWFISH))
        self.assertIs(one.key, AES)
        self.assertIs(one.key_of(CryptoMethod.BLOWFISH), BLOWFISH)
        self.assertIsNone(one.key_of(CryptoMethod.TRIPLE_DES))
        self.assertIsNone(session("b", keys=()).key)

    def test_datagram_key(self) -> None:
        """The stand-in has the first 24 bytes, where both sides have the cipher."""
        both = (CryptoMethod.AES, CryptoMethod.BLOWFISH)
        self.assertEqual(datagram_key(AES, CryptoMethod.BLOWFISH, both), BLOWFISH)
        self.assertIsNone(datagram_key(AES, CryptoMethod.TRIPLE_DES, both))
        self.assertIsNone(datagram_key(BLOWFISH, CryptoMethod.BLOWFISH, both))

    def test_datagram_cipher(self) -> None:
        """AES alone has no cipher for datagrams; the others have their own."""
        stand_in = CryptoMethod.BLOWFISH
        self.assertIsNone(session("a").datagram_cipher(stand_in))
        self.assertIsNone(session("a", keys=()).datagram_cipher(stand_in))
        both = session("a", keys=(AES, BLOWFISH))
        cipher = both.datagram_cipher(stand_in)
        assert cipher is not None
        self.assertEqual(cipher.algorithm, "BLOWFISH")
        self.assertIs(both.datagram_cipher(stand_in), cipher)
        des = session("b", keys=(SessionKey(CryptoMethod.TRIPLE_DES, bytes(24)),))
        cipher = des.datagram_cipher(stand_in)
        assert cipher is not None
        self.assertEqual(cipher.algorithm, "3DES")

    def test_protects(self) -> None:
        """AES always protects; another key only where something was agreed on."""
        self.assertTrue(session("a").protects)
        self.assertFalse(session("a", keys=()).protects)
        self.assertFalse(session("a", keys=(BLOWFISH,)).protects)
        self.assertTrue(session("a", keys=(BLOWFISH,), integrity=True).protects)
        self.assertTrue(session("a", keys=(BLOWFISH,), encrypt=True).protects)

    def test_mnh_7_1_no_secret_in_repr(self) -> None:
        """A session's text has no key, also after its cipher was used."""
        one = session("a", keys=(AES, BLOWFISH))
        one.datagram_cipher(CryptoMethod.BLOWFISH)
        self.assertNotIn("SessionKey", repr(one))
        self.assertNotIn("\\x0", repr(one))


class SessionCacheTests(SynchronousTestCase):
    """Where sessions are kept."""

    def test_find_and_remove(self) -> None:
        """A session is found until it is removed; an id is taken once."""
        cache = SessionCache()
        one = known("a")
        self.assertTrue(cache.add(one))
        self.assertFalse(cache.add(known("a")))
        self.assertIs(cache.find("a", 0), one)
        self.assertEqual([each.id for each in cache], ["a"])
        self.assertTrue(cache.remove("a"))
        self.assertFalse(cache.remove("a"))
        self.assertIsNone(cache.find("a", 0))
        self.assertEqual(cache.size_bytes, 0)

    def test_mnh_1_27_expired_on_look_up(self) -> None:
        """A session that is over is not found, and is gone."""
        cache = SessionCache()
        cache.add(known("a"))
        self.assertIsNone(cache.find("a", 10))
        self.assertEqual(len(cache), 0)

    def test_mnh_1_27_expired_by_sweep(self) -> None:
        """A sweep removes what is over and nothing else."""
        cache = SessionCache()
        cache.add(known("a"))
        cache.add(known("b", lease_seconds=0))
        self.assertEqual(cache.expire(50), 1)
        self.assertIsNotNone(cache.find("b", 50))

    def test_mnh_1_27_bounded_count(self) -> None:
        """Over the limit the oldest session without a user goes first."""
        cache = SessionCache(max_sessions=3)
        for each in (known("a"), session("x"), known("b")):
            cache.add(each)
        self.assertEqual(len(cache), 3)
        cache.add(known("c"))
        self.assertEqual([each.id for each in cache], ["a", "b", "c"])
        cache.add(known("d"))
        self.assertEqual([each.id for each in cache], ["b", "c", "d"])

    def test_mnh_1_27_bounded_bytes(self) -> None:
        """Sessions go when they take too much memory together."""
        size = known("a").size_bytes
        cache = SessionCache(max_bytes=2 * size)
        for name in "abc":
            cache.add(known(name))
        self.assertEqual([each.id for each in cache], ["b", "c"])
        cache.add(known("d", command_address="x" * 10 * size))
        self.assertEqual(len(cache), 0)
        self.assertEqual(cache.size_bytes, 0)

    def test_mnh_1_27_bounded_per_address(self) -> None:
        """One address has so many sessions without an identity, others' stay."""
        cache = SessionCache(max_anonymous_per_address=2)
        cache.add(session("other", address="10.0.0.2"))
        for name in "abc":
            cache.add(session(name, address="10.0.0.1"))
            cache.add(known(name.upper(), address="10.0.0.1"))
        self.assertEqual(
            [each.id for each in cache], ["other", "A", "b", "B", "c", "C"]
        )

    def test_remove_where(self) -> None:
        """What a question picks goes."""
        cache = SessionCache()
        for name in "abc":
            cache.add(known(name))
        self.assertEqual(cache.remove_where(lambda each: each.id != "b"), 2)
        self.assertEqual([each.id for each in cache], ["b"])

    def test_commands(self) -> None:
        """A session serves its commands, in its own context, while it lives."""
        cache = SessionCache()
        one, tagged = known("a"), known("t", tag="owner")
        cache.add(one)
        cache.add(tagged)
        cache.map_commands(one, "<h:1>", iter([5, 6]))
        cache.map_commands(tagged, "<h:1>", iter([5]))
        self.assertIs(cache.find_for("<h:1>", 6, 0), one)
        self.assertIs(cache.find_for("<h:1>", 5, 0, "owner"), tagged)
        self.assertIsNone(cache.find_for("<h:2>", 6, 0))
        self.assertIsNone(cache.find_for("<h:1>", 6, 10))
        self.assertIsNone(cache.find_for("<h:1>", 5, 0))
        self.assertIs(cache.find_for("<h:1>", 5, 0, "owner"), tagged)

    def test_newer_session_takes_commands_over(self) -> None:
        """The newest mapping counts, and outlives the older session."""
        cache = SessionCache()
        for name in "ab":
            each = known(name)
            cache.add(each)
            cache.map_commands(each, "<h:1>", iter([5]))
        cache.remove("a")
        found = cache.find_for("<h:1>", 5, 0)
        assert found is not None
        self.assertEqual(found.id, "b")

    def test_commands_of_nothing(self) -> None:
        """A session that is not kept gets no commands."""
        cache = SessionCache()
        cache.map_commands(known("a"), "<h:1>", iter([5]))
        self.assertIsNone(cache.find_for("<h:1>", 5, 0))

    def test_size_counts_commands(self) -> None:
        """Mapped commands count, and are given back."""
        cache = SessionCache()
        one = known("a")
        cache.add(one)
        before = cache.size_bytes
        cache.map_commands(one, "<h:1>", iter(range(100)))
        self.assertGreater(cache.size_bytes, before + 5000)
        cache.remove("a")
        self.assertEqual(cache.size_bytes, 0)


class ReplayGuardTests(SynchronousTestCase):
    """Nonces count once."""

    def test_once(self) -> None:
        """The same nonce in the same session is not fresh again."""
        guard = ReplayGuard()
        self.assertTrue(guard.is_fresh("a", "n"))
        self.assertFalse(guard.is_fresh("a", "n"))
        self.assertTrue(guard.is_fresh("b", "n"))
        self.assertTrue(guard.is_fresh("a", "m"))

    def test_bounded(self) -> None:
        """The oldest nonce is forgotten beyond the limit, not before."""
        guard = ReplayGuard(max_entries=2)
        for nonce in "xyz":
            guard.is_fresh("a", nonce)
        self.assertFalse(guard.is_fresh("a", "z"))
        self.assertFalse(guard.is_fresh("a", "y"))
        self.assertTrue(guard.is_fresh("a", "x"))


class SharedSessionTests(SynchronousTestCase):
    def test_mnh_1_27_not_evicted(self) -> None:
        """What was not negotiated stays when the cache is full."""
        cache = SessionCache(max_sessions=2)
        shared = known("shared", negotiated=False, expires_at=None)
        self.assertTrue(cache.add(shared))
        for number in range(5):
            cache.add(session(f"s{number}"))
        self.assertIs(cache.find("shared", 0), shared)
        self.assertEqual(len(cache), 2)
        for number in range(3):
            cache.add(known(f"shared{number}", negotiated=False))
        self.assertEqual(len(cache), 4)

    def test_forgotten_commands(self) -> None:
        """A session that is good for no command any more is found by its id alone."""
        cache = SessionCache()
        one = session("one")
        cache.add(one)
        cache.map_commands(one, "<127.0.0.1:1>", iter([5]))
        cache.forget_commands("one")
        self.assertIsNone(cache.find_for("<127.0.0.1:1>", 5, 0))
        self.assertIs(cache.find("one", 0), one)

    def test_numbers(self) -> None:
        """Junk in a list of commands is left out."""
        self.assertEqual(command_numbers("1, 2,x,-3 99999999999,4"), [1, 2, 4])
