/* Logs every call of the allocator that a program makes, for the playground's editor to read.

       gcc -m32 -shared -fPIC -O1 -o shim.so shim.c
       LD_PRELOAD=./shim.so ./program 2> calls.log

   Paste calls.log into the editor. It has one line a call, the result last: "malloc 100 0x804e1a0",
   "calloc 4 100 0x804e210", "realloc 0x804e1a0 200 0x804e280", "memalign 64 100 0x804e380", "free 0x804e1a0".

   glibc's own names are called directly, and each line is one write(2): nothing here allocates. */

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

/* What snprintf made; a line never fills the buffer. */
static void tell(const char *line, int length)
{
	if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

void *malloc(size_t size)
{
	char line[80];
	void *memory = __libc_malloc(size);
	tell(line, snprintf(line, sizeof line, "malloc %zu %p\n", size, memory));
	return memory;
}

void *calloc(size_t count, size_t size)
{
	char line[80];
	void *memory = __libc_calloc(count, size);
	tell(line, snprintf(line, sizeof line, "calloc %zu %zu %p\n", count, size, memory));
	return memory;
}

void *realloc(void *old, size_t size)
{
	char line[80];
	void *memory = __libc_realloc(old, size);
	tell(line, snprintf(line, sizeof line, "realloc %p %zu %p\n", old, size, memory));
	return memory;
}

void *memalign(size_t alignment, size_t size)
{
	char line[80];
	void *memory = __libc_memalign(alignment, size);
	tell(line, snprintf(line, sizeof line, "memalign %zu %zu %p\n", alignment, size, memory));
	return memory;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

void free(void *memory)
{
	char line[80];
	tell(line, snprintf(line, sizeof line, "free %p\n", memory));
	__libc_free(memory);
}
