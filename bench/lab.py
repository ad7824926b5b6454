"""lab.py - a lab for the benchmarks: what `relto lab init` makes, a crowd of further parties if wanted, and its reltod.

The crowd's parties are M0001, M0002, ..; each has an authority and one agent /fusion-desk, made here since a lab of
`relto lab init` has 16 parties at most, named as the vocabulary names them.  Their agreement is 'crowd', topic crowd.>.
"""
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build/plain"))
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
START_SECONDS, STOP_SECONDS = 60, 60


def build(*targets):
    """Builds what is named; the build folder is made if it is not there.  Tests come with BENCH_BUILT: nothing to do."""
    if os.environ.get("BENCH_BUILT"):
        return
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["meson", "setup", BUILD], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", BUILD] + list(targets), check=True, stdout=subprocess.DEVNULL)


def program(name):
    return os.path.join(BUILD, name)


def member(number):
    return "M%04d" % number


# ---- certificates ----


def certificate(subject, key, issuer, uri, authority):
    """issuer: (certificate, key), None for an authority's own."""
    now = datetime.datetime.utcnow()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    by_name, by_key = (name, key) if issuer is None else (issuer[0].subject, issuer[1])
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    b = (x509.CertificateBuilder().subject_name(name).issuer_name(by_name).public_key(key.public_key())
         .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
         .not_valid_after(now + datetime.timedelta(days=397))
         .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
         .add_extension(usage, critical=True)
         .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
         .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
         .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False))
    if not authority:
        b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, DOCUMENT_SIGNING]), critical=False)
    return b.sign(by_key, hashes.SHA256())


def pem(thing):
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                               serialization.NoEncryption())


def put(path, data):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


# ---- the lab ----

PARTY = """party %(name)s {
    trust-domain  %(domain)s
    trust-bundle  "trust/%(name)s.pem"
    agent /fusion-desk { roles [ publish subscribe ] }
}
"""
MEMBER = """    member %s {
        may         [ %s ]
        precedence  at-most FLASH
        clearance   ATLAS up-to SECRET { "Releasable To" [ ATLAS ] }
    }
"""
CROWD = """agreement crowd {
    title    "A crowd that measures"
    version  1
    valid    from %d-01-01 until %d-12-31
    state    in-force
    mode     live
    topics   [ crowd.> ]
    onward   prohibited
    rule all {
        label  ATLAS at-most SECRET
        release
    }
%s}
"""


class Lab:
    """A running reltod in a folder of its own; 'with' stops it and removes the folder."""

    def __init__(self, senders=0, receivers=0, environment=None, signer=False):
        """The first 'senders' of the crowd only originate, the next 'receivers' only receive; with no senders GBR does."""
        self.base = tempfile.mkdtemp(prefix="relto-bench.")
        self.dir = os.path.join(self.base, "lab")
        self.process, self.environment, self.signer = None, environment or {}, None
        try:
            subprocess.run([program("client/relto"), "lab", "init", self.dir, "--port", "0"] + ["--signer"] * signer,
                           check=True, stdout=subprocess.DEVNULL)
            if receivers:
                self.add_crowd(senders, receivers)
            if signer:
                self.start_signer()
            self.start()
        except BaseException:
            self.remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.remove()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def add_party(self, number, pinned):
        name = member(number)
        domain = name.lower() + ".example"
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca = certificate(name + " authority", ca_key, None, "spiffe://" + domain, True)
        own = certificate("fusion-desk", key, (ca, ca_key), "spiffe://%s/fusion-desk" % domain, False)
        put(self.path("policy", "trust", name + ".pem"), pem(ca))
        put(self.path("parties", name, "fusion-desk.pem"), pem(own))
        put(self.path("parties", name, "fusion-desk.key"), pem(key))
        if pinned:
            put(self.path("home", "trust", name + ".pem"), pem(ca))
        return PARTY % {"name": name, "domain": domain}

    def add_crowd(self, senders, receivers):
        year = datetime.datetime.utcnow().year
        parties = [self.add_party(i, i <= senders) for i in range(1, senders + receivers + 1)]
        members = [MEMBER % ("GBR", "originate")] if not senders else []
        members += [MEMBER % (member(i), "originate" if i <= senders else "receive")
                    for i in range(1, senders + receivers + 1)]
        with open(self.path("policy", "relto.policy"), "a", encoding="utf-8") as f:
            f.write("\n" + "".join(parties))
        put(self.path("policy", "agreements.d", "crowd.policy"), CROWD % (year, year + 1, "".join(members)))
        with open(self.path("reltod.conf"), "a", encoding="utf-8") as f:
            f.write("limits {\n    connections-per-party 100000\n    connections-per-address 100000\n}\n")

    def start_signer(self):
        user = ["--user", "root"] if os.geteuid() == 0 else []
        common = [program("signer/relto-signer"), "--origin", "hub.example/relto/g1", "--anchor", self.path("signer", "anchor")]
        subprocess.run(common + user + ["--new"], check=True)
        self.signer = subprocess.Popen(common + user + ["--key", self.path("signer", "log.key"), "--socket",
                                                        self.path("run", "signer.sock")], stderr=subprocess.DEVNULL)

    def signer_cpu_us(self):
        with open("/proc/%d/stat" % self.signer.pid, encoding="utf-8") as f:
            user, system = f.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * 1e6 / os.sysconf("SC_CLK_TCK")

    def start(self):
        with open(os.path.join(self.base, "log"), "wb") as log:
            self.process = subprocess.Popen([program("daemon/reltod"), "-c", self.path("reltod.conf")], stderr=log,
                                            stdin=subprocess.DEVNULL, env=dict(os.environ, **self.environment))
        end = time.monotonic() + START_SECONDS
        while "broker.ready" not in self.messages():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("reltod did not start:\n" + self.messages()[-4000:])
            time.sleep(0.02)
        with open(self.path("run", "addresses"), encoding="utf-8") as f:
            self.server = f.readline().strip()

    def messages(self):
        with open(os.path.join(self.base, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        if self.signer is not None:
            self.signer.kill()
            self.signer.wait()
        shutil.rmtree(self.base, ignore_errors=True)

    def run(self, name, *arguments):
        """A program of bench/ on this lab; its JSON."""
        got = subprocess.run([program(name), self.dir, self.server, str(self.process.pid)] + [str(a) for a in arguments],
                             stdout=subprocess.PIPE, check=True, timeout=600)
        return json.loads(got.stdout)
