"""How a simulated call fails a test."""


class HandlerFailed(AssertionError):
    """The handler raised something; it is the `__cause__`, with its traceback.

    The server logs it and the call goes on; so can a test that expects it, by `pytest.raises(HandlerFailed)`.
    """


class HandlerHangs(AssertionError):
    """The handler does not come to rest, or does not return after the call's end; the words say where."""


class CallIsOver(RuntimeError):
    """A test tells something of a call that has ended, perhaps because the handler hung up."""
