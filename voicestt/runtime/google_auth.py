"""Google credentials in the form of google-auth, for speech in both directions."""

import warnings

import google.auth
from google.auth.credentials import Credentials as GoogleCredentials

from voicestt.config.credentials import Credentials
from voicestt.config.settings import BadSettings

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def load_key(key: Credentials) -> GoogleCredentials:
    """Convert the key to google-auth's credentials; nothing is asked of Google yet.

    Raises:
        BadSettings: when the key cannot be loaded; the words hold nothing of it.
    """
    try:
        loaded: GoogleCredentials
        with warnings.catch_warnings():
            # The library warns of configurations from strangers; this one is the operator's own.
            warnings.simplefilter("ignore", DeprecationWarning)
            loaded, _ = google.auth.load_credentials_from_dict(key.info, scopes=[_SCOPE])
    except (google.auth.exceptions.GoogleAuthError, ValueError, TypeError, AttributeError, KeyError):
        words = f"GOOGLE_APPLICATION_CREDENTIALS is a {key.kind} key that Google cannot load: download a new one"
        raise BadSettings([words]) from None
    return loaded


def default_key() -> GoogleCredentials:
    """Find this machine's credentials; blocks, since its metadata server may be asked.

    Raises:
        google.auth.exceptions.DefaultCredentialsError: when it has none.
    """
    found: GoogleCredentials
    found, _ = google.auth.default(scopes=[_SCOPE])
    return found
