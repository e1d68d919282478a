"""Bytes of CEDAR: codec, frames, datagrams, ciphers, addresses, versions."""
