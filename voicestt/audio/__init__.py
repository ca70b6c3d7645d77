"""Bytes of sound and their account: mu-law, voice activity, utterances, the ledger."""
