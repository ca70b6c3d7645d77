"""The certificate of a local service behind TLS: for the names of Google's endpoints, made anew at each start."""

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE_FILE = "certificate.pem"
_DAYS = 30
_NAMES = ("*.googleapis.com", "localhost")
_ADDRESSES = ("127.0.0.1", "::1")
_HTTP_2 = "h2"


def server_context(folder: Path) -> ssl.SSLContext:
    """Make a certificate, write it to `folder` for clients to trust, and return the context to serve with it.

    It signs nothing but itself, and its key is in no file: trusting it trusts this process only. Raises OSError.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key).public_bytes(serialization.Encoding.PEM)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CERTIFICATE_FILE).write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([_HTTP_2])  # gRPC's clients go without it
    with tempfile.TemporaryDirectory(prefix="google-local-") as hidden:  # ssl reads keys from files only
        both = Path(hidden) / "both.pem"
        both.write_bytes(_in_pem(key) + certificate)
        context.load_cert_chain(both)
    return context


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "google-local")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        *map(x509.DNSName, _NAMES),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in _ADDRESSES),
    ]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _in_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption())
