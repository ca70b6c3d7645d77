"""Audio and its account: mu-law, voice activity, utterances, the ledger."""
