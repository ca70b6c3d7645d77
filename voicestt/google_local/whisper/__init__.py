"""Whisper on ctranslate2, driven in a streaming way: the embedded recogniser of the local Google service."""
