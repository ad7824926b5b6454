/*
 * allocations.c - loaded ahead of a program (LD_PRELOAD): counts its allocations and fails those
 * that a test asks for, by number or by the stack of calls that leads to them.  RELTO_ALLOCATIONS
 * names a file with a struct control, which the test maps too.
 *
 * A stack is known by a hash of where its innermost eight calls return to, as far from the start of
 * the program or library that they are in: so it is the same in the next process, and it does not
 * matter by which event the work was come to.
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACKS = 8192, OBJECTS = 64, OURS = 2 /* frames of this file.. */, DEPTH = OURS + 8 };

struct control {
	_Atomic uint64_t armed, count, first, last,
	    failed; /* fails the first to the last, from 1 */
	/* or, if by_stack: the nth allocation of the stack 'want' (0: none), and all behind it if
	 * 'onward'; counts those of each stack */
	_Atomic uint64_t by_stack, want, nth, onward, hit;
	struct {
		_Atomic uint64_t hash, count;
	} stack[STACKS];
};

/* glibc's own, which need no dlsym: it allocates */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static struct control *control;
static struct {
	uintptr_t from, to;
} objects[OBJECTS];
static unsigned object_count;
static _Thread_local bool inside;

static int
add_object(struct dl_phdr_info *o, size_t size, void *arg)
{
	(void)size, (void)arg;
	uintptr_t to = o->dlpi_addr;
	for (unsigned i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_LOAD &&
		    o->dlpi_addr + o->dlpi_phdr[i].p_vaddr + o->dlpi_phdr[i].p_memsz > to)
			to = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr + o->dlpi_phdr[i].p_memsz;
	if (object_count < OBJECTS) {
		objects[object_count].from = o->dlpi_addr;
		objects[object_count++].to = to;
	}
	return 0;
}

__attribute__((constructor)) static void
find_control(void)
{
	void *frames[DEPTH];
	(void)backtrace(frames, DEPTH); /* the first one loads a library */
	(void)dl_iterate_phdr(add_object, NULL);
	const char *path = getenv("RELTO_ALLOCATIONS");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		control = at;
}

/* FNV-1a over the frames. */
static uint64_t
stack_hash(void)
{
	void *frames[DEPTH];
	uint64_t h = 14695981039346656037u;
	inside = true;
	int n = backtrace(frames, DEPTH);
	inside = false;
	for (int i = OURS; i < n; i++) {
		uintptr_t at = (uintptr_t)frames[i];
		unsigned k = 0;
		while (k < object_count && (at < objects[k].from || at >= objects[k].to))
			k++;
		if (k == object_count)
			break; /* the unwinder lost its way */
		h = (h ^ ((at - objects[k].from) * OBJECTS + k)) * 1099511628211u;
	}
	return h == 0 ? 1 : h;
}

/* How often the stack was there, this time included; 0: too many stacks. */
static uint64_t
note_stack(uint64_t h)
{
	for (unsigned i = 0; i < STACKS; i++) {
		uint64_t none = 0;
		unsigned at = (unsigned)((h + i) % STACKS);
		if (atomic_load(&control->stack[at].hash) == h ||
		    atomic_compare_exchange_strong(&control->stack[at].hash, &none, h) || none == h)
			return atomic_fetch_add(&control->stack[at].count, 1) + 1;
	}
	return 0;
}

static bool
is_chosen_by_stack(void)
{
	if (atomic_load(&control->hit) && atomic_load(&control->onward))
		return true;
	uint64_t h = stack_hash();
	if (note_stack(h) != atomic_load(&control->nth) || h != atomic_load(&control->want))
		return false;
	atomic_store(&control->hit, 1);
	return true;
}

static bool
is_chosen(uint64_t n)
{
	if (atomic_load(&control->by_stack))
		return is_chosen_by_stack();
	return n >= atomic_load(&control->first) && n <= atomic_load(&control->last);
}

static bool
fails(void)
{
	if (control == NULL || inside || !atomic_load(&control->armed))
		return false;
	if (!is_chosen(atomic_fetch_add(&control->count, 1) + 1))
		return false;
	atomic_fetch_add(&control->failed, 1);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *
reallocarray(void *old, size_t count, size_t size)
{
	size_t all;
	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, all);
}

void *
memalign(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);
	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}
