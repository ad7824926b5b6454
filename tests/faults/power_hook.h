/* power_hook.h - how a preloaded library puts its functions in the place of libc's. */
#pragma once

/* libc's name for a function of ours; with headers that ask for 64-bit files there are two. */
#define HOOK(name, ours) \
	__asm__(".globl " #name "\n.type " #name ",@function\n.set " #name "," #ours)
#define HOOK64(name, ours) \
	HOOK(name, ours); \
	HOOK(name##64, ours)
#define USED __attribute__((used)) static
