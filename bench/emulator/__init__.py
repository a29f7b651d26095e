"""The Emulator: the same program on real ranks, each a host of its own behind links that really are slow."""
