"""certs.py - bad certificates for a lab, made with python3-cryptography and so not with our own code.

make(lab_dir, kind, out_dir) gives (certificate file, key file): the certificate first, then what it needs of a chain.
KINDS names them; each is what a hostile or careless party could show to a broker as GBR's /fusion-desk.
"""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

AGENT = "spiffe://gbr.example/fusion-desk"
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
BOTH = (ExtendedKeyUsageOID.CLIENT_AUTH, DOCUMENT_SIGNING)


class Authority:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @classmethod
    def of_lab(cls, lab_dir, party):
        folder = os.path.join(lab_dir, "parties", party)
        with open(os.path.join(folder, "ca.pem"), "rb") as f:
            certificate = x509.load_pem_x509_certificate(f.read())
        with open(os.path.join(folder, "ca.key"), "rb") as f:
            return cls(certificate, serialization.load_pem_private_key(f.read(), None))


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(sign=True, certificates=False):
    return x509.KeyUsage(digital_signature=sign, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=not sign and not certificates,
                         key_cert_sign=certificates, crl_sign=certificates, encipher_only=False, decipher_only=False)


def issue(authority, uris=(AGENT,), eku=BOTH, ca=False, cert_sign=False, days=(-1, 30), key=None, digest=None,
          subject="fusion-desk", digital_signature=True):
    """A certificate by 'authority' (None: self-signed) and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    issuer = name(subject) if authority is None else authority.certificate.subject
    b = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(issuer).public_key(key.public_key())
         .serial_number(x509.random_serial_number())
         .not_valid_before(now + datetime.timedelta(days=days[0]))
         .not_valid_after(now + datetime.timedelta(days=days[1]))
         .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
         .add_extension(usage(digital_signature, ca or cert_sign), critical=True))
    if eku:
        b = b.add_extension(x509.ExtendedKeyUsage(list(eku)), critical=False)
    if uris:
        b = b.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in uris]),
                            critical=False)
    signer = key if authority is None else authority.key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return b.sign(signer, algorithm), key


def fake_authority(lab_dir, party="GBR"):
    """An authority with the name of the party's and another key."""
    real = Authority.of_lab(lab_dir, party)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(real.certificate.subject)
                   .issuer_name(real.certificate.subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=30))
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                   .add_extension(usage(False, True), critical=True).sign(key, hashes.SHA256()))
    return Authority(certificate, key)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def empty_list(authority, hours_ago=0):
    """A revocation list of nobody, as PEM."""
    now = datetime.datetime.utcnow() - datetime.timedelta(hours=hours_ago)
    crl = (x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject).last_update(now)
           .next_update(now + datetime.timedelta(days=1)).sign(authority.key, hashes.SHA256()))
    return crl.public_bytes(serialization.Encoding.PEM).decode()


def chain_of(lab_dir, steps):
    """A leaf below 'steps' intermediates of NOR's authority (NOR: the list of GBR covers its own issuer only)."""
    authority, chain = Authority.of_lab(lab_dir, "NOR"), []
    for i in range(steps):
        certificate, key = issue(authority, uris=(), eku=(), ca=True, subject="intermediate %d" % i)
        authority = Authority(certificate, key)
        chain.insert(0, certificate)
    leaf, key = issue(authority, uris=("spiffe://nor.example/fusion-desk",))
    return [leaf] + chain, key


def one(lab_dir, party="GBR", **how):
    certificate, key = issue(Authority.of_lab(lab_dir, party), **how)
    return [certificate], key


def self_signed(lab_dir):
    certificate, key = issue(None)
    return [certificate], key


def forged(lab_dir):
    authority = fake_authority(lab_dir)
    certificate, key = issue(authority)
    return [certificate, authority.certificate], key


# what each gets stands in tests/bad-input/certificates.case
KINDS = {
    "good": lambda d: one(d),
    "another party's authority": lambda d: one(d, "NOR"),
    "self-signed": self_signed,
    "an authority of the same name": forged,
    "unknown trust domain": lambda d: one(d, uris=("spiffe://usa.example/fusion-desk",)),
    "two URIs": lambda d: one(d, uris=(AGENT, "spiffe://gbr.example/watch")),
    "two equal URIs": lambda d: one(d, uris=(AGENT, AGENT)),
    "no URI": lambda d: one(d, uris=()),
    "an https URI": lambda d: one(d, uris=("https://gbr.example/fusion-desk",)),
    "upper case in the domain": lambda d: one(d, uris=("spiffe://GBR.example/fusion-desk",)),
    "percent in the path": lambda d: one(d, uris=("spiffe://gbr.example/fusion%2Ddesk",)),
    "slash at the end": lambda d: one(d, uris=(AGENT + "/",)),
    "no path": lambda d: one(d, uris=("spiffe://gbr.example",)),
    "no EKU": lambda d: one(d, eku=()),
    "EKU serverAuth": lambda d: one(d, eku=(ExtendedKeyUsageOID.SERVER_AUTH,)),
    "EKU any": lambda d: one(d, eku=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
    "CA:TRUE": lambda d: one(d, ca=True),
    "keyCertSign": lambda d: one(d, cert_sign=True),
    "no digitalSignature": lambda d: one(d, digital_signature=False),
    "expired": lambda d: one(d, days=(-30, -1)),
    "not yet valid": lambda d: one(d, days=(1, 30)),
    "unlisted agent": lambda d: one(d, uris=("spiffe://gbr.example/nobody",)),
    "RSA of 1024 bits": lambda d: one(d, key=rsa.generate_private_key(65537, 1024)),
    "P-521": lambda d: one(d, key=ec.generate_private_key(ec.SECP521R1())),
    "signed with SHA-1": lambda d: one(d, digest=hashes.SHA1()),
    "three intermediates without a list": lambda d: chain_of(d, 3),
    "four intermediates": lambda d: chain_of(d, 4),
}


def make(lab_dir, kind, out_dir):
    """Writes the certificates and the key of a kind; returns both paths."""
    certificates, key = KINDS[kind](lab_dir)
    return write(out_dir, kind.replace(" ", "-").replace(":", "").replace("'", ""), certificates, key)


def write(out_dir, stem, certificates, key):
    """OUT_DIR/STEM.pem and .key; returns both paths."""
    stem = os.path.join(out_dir, stem)
    with open(stem + ".pem", "wb") as f:
        for c in certificates:
            f.write(c.public_bytes(serialization.Encoding.PEM))
    with open(os.open(stem + ".key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    return stem + ".pem", stem + ".key"
