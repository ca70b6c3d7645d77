"""Tells twistd of `voicestt`. It imports nothing of ours: twistd loads every plugin at every start."""

from twisted.application.service import ServiceMaker

voicestt = ServiceMaker("voicestt", "voicestt.tap", "Twilio's live calls to words, by Google.", "voicestt")
