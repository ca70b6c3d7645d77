import ssl
from pathlib import Path

import pytest
from cryptography import x509

from voicestt.emulators.google.tls_certificate import CERTIFICATE_FILE, server_context


def test_the_certificate_is_for_googles_endpoints_and_signs_nothing_but_itself(tmp_path: Path) -> None:
    server_context(tmp_path)
    made = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE_FILE).read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["*.googleapis.com", "localhost"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_its_key_is_in_no_file(tmp_path: Path) -> None:
    server_context(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CERTIFICATE_FILE]
    assert b"PRIVATE KEY" not in (tmp_path / CERTIFICATE_FILE).read_bytes()


def test_each_start_makes_another_in_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    made = set()
    for _ in range(2):
        assert server_context(folder).verify_mode is ssl.CERT_NONE
        made.add((folder / CERTIFICATE_FILE).read_bytes())
    assert len(made) == 2


def test_a_folder_that_cannot_be_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        server_context(tmp_path / "file")
