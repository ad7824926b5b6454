#!/usr/bin/python3
"""test_install.py BUILD - a program builds against what is installed, with pkg-config alone, shared and static."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = ""


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(BUILD, "client", "librelto.so"), "rb") as f:
            text = f.read()
            if b"__asan_init" in text or b"__tsan_init" in text:
                raise unittest.SkipTest("a sanitizer's library needs its flags in the program too")
        folder = tempfile.TemporaryDirectory(prefix="relto-install.")
        cls.addClassCleanup(folder.cleanup)
        cls.dest = folder.name
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.dest], check=True,
                       stdout=subprocess.DEVNULL, timeout=120)
        (cls.pc,) = glob.glob(os.path.join(cls.dest, "**", "relto.pc"), recursive=True)

    def flags(self, *words):
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.pc), PKG_CONFIG_SYSROOT_DIR=self.dest)
        return subprocess.run(["pkg-config", *words, "relto"], env=env, check=True, capture_output=True,
                              text=True, timeout=30).stdout.split()

    def build(self, name, flags, **env):
        out = os.path.join(self.dest, name)
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", os.path.join(ROOT, "client", "example.c"), "-o", out]
                       + flags, check=True, timeout=120)
        done = subprocess.run([out], env=dict(os.environ, **env), capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr[:6]), (64, "usage:"), done.stderr)
        return out

    def test_the_flags_are_ours_and_nothing_else(self):
        self.assertEqual([f for f in self.flags("--cflags") if not f.startswith("-I" + self.dest)], [])
        self.assertEqual([f for f in self.flags("--libs") if not f.startswith("-L" + self.dest)], ["-lrelto"])

    def test_a_program_builds_with_the_shared_library(self):
        libs = self.flags("--cflags", "--libs")
        (where,) = [f[2:] for f in libs if f.startswith("-L")]
        self.build("shared", libs, LD_LIBRARY_PATH=where)

    def test_a_program_builds_with_the_archive(self):
        libs = self.flags("--cflags", "--libs", "--static")
        libs[libs.index("-lrelto")] = "-l:librelto.a"
        out = self.build("static", libs)
        needed = subprocess.run(["readelf", "-d", out], check=True, capture_output=True, text=True).stdout
        self.assertNotIn("librelto", needed)

    def test_programs_header_and_manuals_are_there(self):
        found = {os.path.relpath(os.path.join(d, n), self.dest) for d, _, names in os.walk(self.dest) for n in names}
        for wanted in ("bin/relto", "bin/relto-verify", "include/relto.h", "include/relto_audit.h", "include/relto_operator.h", "include/relto_said.h",
                       "share/doc/librelto/example.c",
                       "share/man/man1/relto.1", "share/man/man1/relto-verify.1", "share/man/man8/reltod.8",
                       "sbin/relto-signer", "share/man/man8/relto-signer.8", "share/man/man5/reltod.conf.5",
                       "share/man/man5/relto-context.5", "share/man/man5/relto-policy.5", "share/man/man5/relto-bundle.5",
                       "lib/systemd/system/reltod.service", "lib/systemd/system/relto-signer.service",
                       "lib/systemd/system/reltod.socket",
                       "lib/sysusers.d/relto.conf", "lib/tmpfiles.d/relto.conf"):
            self.assertTrue([f for f in found if re.search(r"(^|/)%s$" % re.escape(wanted), f)], wanted)

    def systemd(self, *words):
        try:
            return subprocess.run(words, capture_output=True, text=True, timeout=60)
        except FileNotFoundError:
            raise unittest.SkipTest("NO %s: Debian's systemd has it" % words[0])

    def unit(self, name):
        (path,) = glob.glob(os.path.join(self.dest, "**", "systemd", "**", name), recursive=True)
        return path

    def test_the_units_are_as_closed_as_they_are_meant_to_be(self):
        for name in ("reltod.service", "relto-signer.service"):
            got = self.systemd("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", self.unit(name))
            self.assertEqual(got.returncode, 0, got.stdout[-200:])
            self.assertNotIn("ignoring", got.stderr, "a line that this systemd does not know")
            with open(self.unit(name), encoding="utf-8") as f:
                self.assertEqual({"MemoryMax", "TasksMax", "IPAddressDeny"} - set(re.findall(r"(?m)^#?(\w+)=", f.read())), set())

    def test_systemd_finds_nothing_wrong_in_the_units(self):
        """Each also with the lines that somebody may take the # from."""
        (sbin,) = {os.path.dirname(p) for p in glob.glob(os.path.join(self.dest, "**", "sbin", "relto*"), recursive=True)}
        names = ("reltod.service", "reltod.socket", "relto-signer.service")
        for way, into in (("as-it-is", r"#\1"), ("uncommented", r"\1")):
            folder = os.path.join(self.dest, way)
            os.mkdir(folder)
            for name in names:
                with open(self.unit(name), encoding="utf-8") as f:
                    text = re.sub(r"(?m)^#(\w+=)", into, f.read())
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write(text.replace("/usr/sbin", sbin))
            got = self.systemd("systemd-analyze", "verify", "--man=no", *[os.path.join(folder, n) for n in names])
            self.assertEqual((got.returncode, got.stderr), (0, ""))

    def test_the_user_is_one_that_systemd_can_make(self):
        (users,) = glob.glob(os.path.join(self.dest, "**", "sysusers.d", "relto.conf"), recursive=True)
        got = self.systemd("systemd-sysusers", "--dry-run", users)
        self.assertEqual((got.returncode, "relto" in got.stdout + got.stderr), (0, True), got.stderr)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
