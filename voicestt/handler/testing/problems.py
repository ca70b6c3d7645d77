"""The exceptions by which a simulated call fails a test."""


class HandlerFailed(AssertionError):
    """The error of a handler that raised something, which is the `__cause__` with its traceback.

    The server logs it and the call goes on; so can a test that expects it, by `pytest.raises(HandlerFailed)`.
    """


class HandlerHangs(AssertionError):
    """The error of a handler that does not come to rest, or not return after the call's end; it says where."""


class CallIsOver(RuntimeError):
    """The error of a test that plays something to a call that has ended, perhaps because the handler hung up."""
