"""certificates.py - the rows of certificates.case: what a broker says to a certificate, on the wire and in its log."""
import os
import ssl
import subprocess
import sys
import tempfile
import time
import warnings

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import certs  # noqa: E402
import rig  # noqa: E402
import wire  # noqa: E402
import witness  # noqa: E402
from wire import pb  # noqa: E402

RECORD_SECONDS = 4
ALERTS = {  # RFC 8446, section 6; what OpenSSL calls them
    42: "BAD_CERTIFICATE", 43: "UNSUPPORTED_CERTIFICATE", 44: "CERTIFICATE_REVOKED", 45: "CERTIFICATE_EXPIRED",
    46: "CERTIFICATE_UNKNOWN", 48: "UNKNOWN_CA", 116: "CERTIFICATE_REQUIRED",
}
WORDS = {  # in which the command says each
    42: "our certificate is not acceptable: it needs exactly one URI name, a SPIFFE id, CA:FALSE, no right to sign "
        "certificates and a strong key (TLS alert bad_certificate)",
    43: "our certificate may not be used for this: it lacks the extended key usage clientAuth or the key usage "
        "digitalSignature (TLS alert unsupported_certificate)",
    44: "our certificate has been revoked (TLS alert certificate_revoked)",
    45: "our certificate has expired or is not valid yet (TLS alert certificate_expired)",
    46: "our certificate is genuine, but its agent is not listed at the broker, or our party's revocation list is "
        "missing or too old there (TLS alert certificate_unknown)",
    48: "no party of the broker has our trust domain, or our certificate does not come from the CA that the broker "
        "knows for it (TLS alert unknown_ca)",
}
UNSHOWN = {  # the command does not even show these
    "RSA of 1024 bits": "data: our certificate cannot be used: ee key too small",
    "signed with SHA-1": "data: our certificate cannot be used: ca md too weak",
    "four intermediates": "data: identity: too many certificates: the leaf, then its intermediates",
}


class Faults:
    """How often the log says REFUSED for a handshake, by what is wrong with the certificate."""

    def __init__(self, lab):
        self.client, self.next, self.counts = lab.client("hub", "/inspector"), 0, {}

    def count(self, fault):
        while True:
            got = self.client.ask("audit_list", pb.AuditList(**{"from": self.next, "count": 1000}))
            for r in got.records:
                o = witness.Opening(r.opening)
                self.next = r.index + 1
                if o.type == "REFUSED" and o.slots[7][0] == b"tls":
                    field = o.slots[7][4].decode()
                    self.counts[field] = self.counts.get(field, 0) + witness.uint(o.slots[7][1])
            if not got.next:
                return self.counts.get(fault, 0)


def agent_for(lab, kind, folder):
    a = lab.agent("gbr", "/fusion-desk")
    if kind == "revoked":
        a = lab.agent("gbr", "/watch")
        subprocess.run([lab.relto_path, "lab", "revoke", lab.dir, "GBR", "/watch"], check=True, capture_output=True)
        reloads = lab.messages().count("policy.in-force")
        lab.reload()
        rig.until(lambda: lab.messages().count("policy.in-force") > reloads, 10, "the reload")
    elif kind != "none":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SHA-1 is the point of one of them
            a.certificate_file, a.key_file = certs.make(lab.dir, kind, folder)
    return a


def shown(agent, kind):
    """The alert that the broker sent, 0 if it let the certificate in."""
    def any_key(agent, certificate=True):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.minimum_version, c.check_hostname = ssl.TLSVersion.TLSv1_3, False
        c.load_verify_locations(agent.hub_ca)
        c.set_ciphers("DEFAULT@SECLEVEL=0")  # this client shows what a careful one would not
        if kind != "none":
            c.load_cert_chain(agent.certificate_file, agent.key_file)
        c.set_alpn_protocols(["relto/1"])
        return c

    weak, wire.tls_context = wire.tls_context, any_key
    try:
        # a TLS 1.3 client is through before the broker has judged it: reading tells
        client = wire.Client(agent, hello=False)
        try:
            client.tls.settimeout(1.0)
            client.tls.recv(1)
        finally:
            client.close()
    except ssl.SSLError as e:
        said = [n for n, text in ALERTS.items() if text in (e.reason or "")]
        return said[0] if said else str(e)
    except TimeoutError:
        return 0
    finally:
        wire.tls_context = weak
    return "no alert"


def in_words(lab, agent):
    """What the command says with that certificate."""
    _, said = lab.relto("whoami", "--certificate", agent.certificate_file, "--key", agent.key_file,
                        context=lab.context_name("gbr"), code=None)
    return said.strip()


def run_case(lab, kind, code, record, connection):
    """What differs from the table, or ''."""
    fault, _, alert = code.rpartition(" ")
    alert = 0 if connection == "open" else int(alert)
    words = "relto: " + UNSHOWN.get(kind, "tls: the broker refused us: " + WORDS.get(alert, "")) if alert else ""
    wrong, faults = [], Faults(lab)
    try:
        with tempfile.TemporaryDirectory() as folder:
            due = faults.count(fault) if record == "REFUSED" else 0
            agent = agent_for(lab, kind, folder)
            got = shown(agent, kind)
            if got != alert:
                wrong.append("alert %s" % got)
            said = words if kind == "none" else in_words(lab, agent)  # the command always has one
            if said != words:
                wrong.append(said)
        due += 1 if kind in UNSHOWN else 2
        end = time.monotonic() + RECORD_SECONDS
        while record == "REFUSED" and faults.count(fault) != due:
            if time.monotonic() > end:
                wrong.append("%d REFUSED records with the field %s, not %d" % (faults.count(fault), fault, due))
                break
            time.sleep(0.1)
        return ", ".join(wrong)
    finally:
        faults.client.close()
