#!/usr/bin/python3
"""without.py [landlock] [seccomp] -- COMMAND..: runs it as on a kernel that has none of them (a filter of its own answers)."""
import ctypes
import os
import platform
import struct
import sys

NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2
ENOSYS, EINVAL = 38, 22
LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1
PRCTL = {"x86_64": 157, "aarch64": 167}.get(platform.machine())
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16  # in struct seccomp_data
ALLOW, ERRNO = 0x7fff0000, 0x00050000
libc = ctypes.CDLL(None, use_errno=True)


def landlock():
    """The ABI of this kernel's Landlock; 0: it has none."""
    libc.syscall.restype = ctypes.c_long
    return max(0, libc.syscall(ctypes.c_long(LANDLOCK_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(LANDLOCK_VERSION)))


def statement(code, value, no=0):
    return struct.pack("=HBBI", code, 0, no, value)


def enter(words):
    """What a word names is answered as by a kernel that does not know it."""
    program = b""
    if "landlock" in words:
        program += statement(LOAD, NUMBER) + statement(IF_EQUAL, LANDLOCK_CREATE_RULESET, 1) + statement(RETURN, ERRNO | ENOSYS)
    if "seccomp" in words:
        program += statement(LOAD, NUMBER) + statement(IF_EQUAL, PRCTL, 3) + statement(LOAD, FIRST_ARGUMENT)
        program += statement(IF_EQUAL, SET_SECCOMP, 1) + statement(RETURN, ERRNO | EINVAL)
    program += statement(RETURN, ALLOW)
    code = ctypes.create_string_buffer(program)
    sock_fprog = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER, sock_fprog):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    end = sys.argv.index("--")
    enter(sys.argv[1:end])
    os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
