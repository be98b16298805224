"""The authority that vouches for our broker: its key, the broker's certificate, and when they end.

A certificate from a public authority does as well; this one is for compounds whose broker has no public name. Whoever
holds `ca.key` can pass for the broker, so it stays apart from what the broker itself may read.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ingest.broker_files import replace_file

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""What browsers and most TLS libraries take as the longest life of a server's certificate."""
RENEW_BEFORE_DAYS = 30
CLOCK_SLACK = timedelta(hours=1)
"""A gateway whose clock is an hour behind must not find the certificate not valid yet."""
ALWAYS_NAMED = ("localhost", "127.0.0.1", "::1")
DAY_MS = 24 * 3600 * 1000

CA_KEY, CA_CERTIFICATE = "ca.key", "ca.crt"
SERVER_KEY, SERVER_CERTIFICATE = "server.key", "server.crt"


class CertificateUnreadable(Exception):
    """A file is no certificate, or no key, that we can use; the message is one line."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person wants to know of a certificate."""

    names: tuple[str, ...]
    not_after_ms: int
    fingerprint: str

    def days_left(self, now_ms: int) -> int:
        """Whole days until it ends; negative when it has ended."""
        return (self.not_after_ms - now_ms) // DAY_MS


def read_certificate(path: Path) -> Certificate:
    """The first certificate of a PEM file. Raises CertificateUnreadable."""
    try:
        return _facts(x509.load_pem_x509_certificate(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise CertificateUnreadable(f"{path} cannot be read as a certificate: {error}") from error


def read_certificate_der(content: bytes) -> Certificate:
    """The certificate that a server showed."""
    try:
        return _facts(x509.load_der_x509_certificate(content))
    except ValueError as error:
        raise CertificateUnreadable(f"the broker shows no certificate that can be read: {error}") from error


def _facts(certificate: x509.Certificate) -> Certificate:
    names: list[str] = []
    try:
        shown = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(name.value) for name in shown]
    except x509.ExtensionNotFound:
        pass
    return Certificate(
        tuple(names),
        round(certificate.not_valid_after_utc.timestamp() * 1000),
        certificate.fingerprint(hashes.SHA256()).hex(":"),
    )


def prepare_authority(directory: Path, *, now_ms: int) -> bool:
    """Makes key and certificate of the authority unless they are there; whether they were made."""
    key_file, certificate_file = directory / CA_KEY, directory / CA_CERTIFICATE
    if key_file.exists() and certificate_file.exists():
        return False
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("liandong broker authority")
    public = key.public_key()
    certificate = (
        _begun(name, name, public, now_ms=now_ms, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    replace_file(key_file, _pem_of_key(key), mode=0o600)
    replace_file(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return True


def issue_server_certificate(
    directory: Path, *, authority: Path, hosts: Sequence[str], now_ms: int, days: int = SERVER_DAYS
) -> Certificate:
    """A new key and a certificate for these names and addresses, and for this machine's loopback; `ca.crt` beside it.

    Raises CertificateUnreadable when the authority's files cannot be used.
    """
    key_file, certificate_file = authority / CA_KEY, authority / CA_CERTIFICATE
    try:
        authority_key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        authority_certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise CertificateUnreadable(f"the authority in {authority} cannot be used: {error}") from error
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise CertificateUnreadable(f"{key_file} is no key that this program made")
    key = ec.generate_private_key(ec.SECP256R1())
    public, authority_public = key.public_key(), authority_key.public_key()
    names = tuple(dict.fromkeys((*hosts, *ALWAYS_NAMED)))
    certificate = (
        _begun(_name("liandong broker"), authority_certificate.subject, public, now_ms=now_ms, days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_public), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / CA_CERTIFICATE, certificate_file.read_bytes(), mode=0o644)
    replace_file(directory / SERVER_KEY, _pem_of_key(key), mode=0o600)
    replace_file(directory / SERVER_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return _facts(certificate)


def needs_renewal(directory: Path, *, hosts: Sequence[str], now_ms: int) -> bool:
    """Whether the server's certificate is missing, ends within a month, or does not bear one of the names."""
    if not os.access(directory / SERVER_KEY, os.R_OK):
        return True
    try:
        shown = read_certificate(directory / SERVER_CERTIFICATE)
    except CertificateUnreadable:
        return True
    return shown.days_left(now_ms) < RENEW_BEFORE_DAYS or not set(hosts) <= set(shown.names)


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, *, now_ms: int, days: int
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
