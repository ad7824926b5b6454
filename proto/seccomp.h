/*
 * seccomp.h - the words that a filter of system calls is written in (reltod's and relto-signer's).
 * A filter is an array: SECCOMP_BEGIN, then what each call leads to, by its number.  Without
 * SECCOMP_MACHINE the processor is one whose numbers nobody looked at: no filter.
 * Threads: none.
 */
#pragma once
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define SECCOMP_MACHINE AUDIT_ARCH_X86_64
#define SECCOMP_NUMBERS 0x40000000u /* those of x32 begin here: the same calls by another name */
#elif defined(__aarch64__)
#define SECCOMP_MACHINE AUDIT_ARCH_AARCH64
#define SECCOMP_NUMBERS UINT32_MAX
#endif

#define SECCOMP_LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define SECCOMP_RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
/* Goes on where the loaded word is 'value', and past so many statements where it is not. */
#define SECCOMP_IS(value, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, otherwise)
#define SECCOMP_CALL(name, otherwise) SECCOMP_IS((uint32_t)__NR_##name, otherwise)

/* Another machine's calls and other numbers end in 'no'; the number is loaded then.  No call at
 * all, what a tracer makes of one that it answers itself, is let through. */
#define SECCOMP_BEGIN(no) \
	SECCOMP_LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_MACHINE, 1, 0), \
	    SECCOMP_RETURN(no), SECCOMP_LOAD(nr), SECCOMP_IS(UINT32_MAX, 1), \
	    SECCOMP_RETURN(SECCOMP_RET_ALLOW), \
	    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SECCOMP_NUMBERS, 0, 1), SECCOMP_RETURN(no)
