"""The C that every exported program begins with, and the helpers of which it takes what it needs."""

from __future__ import annotations

from typing import Final

HEAD: Final = r"""/*
 * TITLE
 *
 * Does on a real 32-bit Linux what was done on the simulated one, and prints each result as Pagewalk prints it.
 *
 *     gcc -m32 -O0 -no-pie -o program program.c && setarch -R ./program
 *
 * With glibc 2.36 and address-space randomisation off (setarch -R) every address of the heap is equal, counted from
 * where the heap begins. Nothing here but the session itself calls malloc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wuse-after-free"
#pragma GCC diagnostic ignored "-Wfree-nonheap-object"
#pragma GCC diagnostic ignored "-Walloc-size-larger-than="

#define PAGE 4096

static char *result __attribute__((unused));  /* of the last call that gives an address */
static sigjmp_buf before_access;  /* where a bad access goes on */
static volatile sig_atomic_t in_try;
static volatile unsigned pages_done;
static volatile int touching;
static siginfo_t last_signal;
static int errors[2];             /* a pipe: what glibc says before it aborts */

static void say(const char *format, ...)
{
    static char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof text - 1)
        length = sizeof text - 1;
    if (write(1, text, length) < 0)
        _exit(1);
}

static inline void line(const char *text) { say("%-32s ", text); }
static inline void done(void) { in_try = 0; say("done\n"); }
static inline void number(long value) { in_try = 0; say("%ld\n", value); }
static inline void word(unsigned value) { in_try = 0; say("0x%08x\n", value); }

static inline void pointer(const void *value, int failed)
{
    const char *why = failed ? strerrorname_np(errno) : NULL;
    say(why ? "0x%08lx %s\n" : "0x%08lx\n", (unsigned long)value, why);
}

static inline void status(int value)
{
    if (value < 0)
        say("%d %s\n", value, strerrorname_np(errno));
    else
        say("%d\n", value);
}

#define try() (in_try = 1, pages_done = 0, touching = 0, sigsetjmp(before_access, 1) == 0)

static void tell_signal(void)
{
    int is_bus = last_signal.si_signo == SIGBUS;
    const char *code = last_signal.si_code == 1 ? (is_bus ? " ADRALN" : " MAPERR")
                     : last_signal.si_code == 2 ? (is_bus ? " ADRERR" : " ACCERR") : "";
    say("%s%s at 0x%08lx", is_bus ? "SIGBUS" : "SIGSEGV", code, (unsigned long)last_signal.si_addr);
}

static inline void signalled(void)
{
    in_try = 0;
    tell_signal();
    if (touching)
        say(" after %u page%s", pages_done, pages_done == 1 ? "" : "s");
    say("\n");
}

static void pass(void);

static void caught(int signal_number, siginfo_t *information, void *context)
{
    (void)context;
    last_signal = *information;
    if (signal_number == SIGABRT) {
        static char words[512];
        int length = read(errors[0], words, sizeof words - 1);
        words[length > 0 ? length : 0] = 0;
        words[strcspn(words, "\n")] = 0;
        say("SIGABRT: %s\n", words);
        pass();
        _exit(134);
    }
    if (in_try)
        siglongjmp(before_access, 1);
    tell_signal();
    say("\n");
    pass();
    _exit(139);
}

static void prepare(void)
{
    static char alternate[1 << 16];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
    if (pipe2(errors, O_NONBLOCK) == 0)
        dup2(errors[1], 2);
    alarm(60);
}
"""

_TOUCH: Final = r"""
static void touch(char *from, unsigned length, int writes, int value)
{
    touching = 1;
    for (unsigned at = 0; at < length; at += PAGE, pages_done++)
        if (writes)
            *(volatile unsigned char *)(from + at) = value;
        else
            (void)*(volatile unsigned char *)(from + at);
    in_try = 0;
    say("%u page%s\n", pages_done, pages_done == 1 ? "" : "s");
}
"""

_FILL: Final = r"""
static void fill(char *from, unsigned length, int value)
{
    for (unsigned at = 0; at < length; at++)
        *(volatile unsigned char *)(from + at) = value;
    done();
}
"""

_CHECK_TOUCH: Final = r"""
static void check_touch(char *from, unsigned length, int value)
{
    unsigned differ = 0;
    for (unsigned at = 0; at < length; at += PAGE)
        differ += *(volatile unsigned char *)(from + at) != value;
    say("%u page%s differ\n", differ, differ == 1 ? "" : "s");
}
"""

_MALLINFO: Final = r"""
static void tell_mallinfo(void)
{
    struct mallinfo2 m = mallinfo2();
    say("arena %zu, ordblks %zu, smblks %zu, hblks %zu, hblkhd %zu, usmblks %zu, fsmblks %zu, uordblks %zu, "
        "fordblks %zu, keepcost %zu\n", m.arena, m.ordblks, m.smblks, m.hblks, m.hblkhd, m.usmblks, m.fsmblks,
        m.uordblks, m.fordblks, m.keepcost);
}
"""

_READ_ALL: Final = r"""
static char contents[1 << 17];

static const char *read_all(const char *path)
{
    int file = open(path, O_RDONLY), length = 0, more;
    while (file >= 0 && (more = read(file, contents + length, sizeof contents - 1 - length)) > 0)
        length += more;
    close(file);
    contents[length] = 0;
    return contents;
}
"""

_STACK: Final = r"""
static char *stack_top(void)
{
    unsigned long start, end = 0;
    const char *named = strstr(read_all("/proc/self/maps"), "[stack]");
    while (named && named > contents && named[-1] != '\n')
        named--;
    if (named)
        sscanf(named, "%lx-%lx", &start, &end);
    return (char *)end;
}
"""

_MAPS: Final = r"""
static void tell_maps(void)
{
    unsigned long start, end, offset;
    char rights[8], name[256];
    for (const char *row = read_all("/proc/self/maps"); *row; row = strchr(row, '\n') + 1) {
        name[0] = 0;
        sscanf(row, "%lx-%lx %7s %lx %*s %*s%*[ ]%255[^\n]", &start, &end, rights, &offset, name);
        say("\n    %08lx-%08lx %s %08lx%s%s", start, end, rights, offset, *name ? " " : "", name);
    }
    say("\n");
}
"""

_FIGURES: Final = r"""
static void tell_figures(const char *path, const char *prefix)
{
    char name[64];
    unsigned long value;
    const char *between = "";
    for (const char *row = read_all(path); *row; row = strchr(row, '\n') + 1)
        if (strncmp(row, prefix, strlen(prefix)) == 0 && sscanf(row, "%63[^: ]%*[: \t]%lu", name, &value) == 2) {
            say("%s%s %lu", between, name, value);
            between = ", ";
        }
    say("\n");
}
"""

_TELL_FILE: Final = r"""
static void tell_file(const char *path) { say("%s", read_all(path)); }
"""

_WRITE_FILE: Final = r"""
static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY);
    int written = write(file, text, strlen(text));
    if (written < 0)
        say("%s\n", strerrorname_np(errno));
    else
        say("done\n");
    close(file);
}
"""

_SYSCTL: Final = r"""
static void set_sysctl(const char *name, const char *text)
{
    char path[128];
    if (!getenv("PAGEWALK_SYSCTL")) {
        say("left alone; with PAGEWALK_SYSCTL=1 and as root this would set it for the whole system\n");
        return;
    }
    snprintf(path, sizeof path, "/proc/sys/vm/%s", name);
    write_file(path, text);
}
"""

_LIMIT: Final = r"""
static void limit(int resource, unsigned long bytes)
{
    struct rlimit both = {bytes, bytes};
    status(setrlimit(resource, &both));
}
"""

_FILE: Final = r"""
#define DISK "./"  /* stands for /mnt, a folder on a disk */
static int files[64];

static int make_file(const char *path, int size)
{
    static char page[PAGE];
    int file = open(path, O_RDWR | O_CREAT, 0600);
    for (int at = 0; at < size; at += PAGE) {
        memset(page, 'a' + at / PAGE % 26, sizeof page);
        if (pwrite(file, page, size - at < PAGE ? size - at : PAGE, at) < 0)
            say("%s ", strerrorname_np(errno));
    }
    return file;
}
"""

_PAGEMAP: Final = r"""
static unsigned long long entry_of(int pagemap, const char *at)
{
    unsigned long long entry = 0;
    if (pread(pagemap, &entry, sizeof entry, (off_t)((unsigned long)at / PAGE * sizeof entry)) < 0)
        return 0;
    return entry;
}

static inline void tell_pagemap(const char *from, int pages)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    for (int page = 0; page < pages; page++) {
        unsigned long long entry = entry_of(pagemap, from + page * PAGE);
        say("%c", entry >> 63 & 1 ? (entry >> 61 & 1 ? 'f' : 'P') : entry >> 62 & 1 ? 's' : '-');
    }
    say("\n");
    close(pagemap);
}

static inline void tell_frames(const char *from, int pages)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY);  /* only root sees frame numbers */
    for (int page = 0; page < pages; page++) {
        unsigned long frame = entry_of(pagemap, from + page * PAGE) & 0x7fffffff;
        say(frame ? "%s0x%05lx" : "%s-", page ? " " : "", frame);
    }
    say("\n");
    close(pagemap);
}
"""

_LEAVE: Final = r"""
static void leave(int code)
{
    say("exit %d\n", code);
    pass();
    _exit(code);
}
"""

PROCESSES: Final = r"""
/* Several processes: the turn goes round by pipes, so that the lines are done in their order. */
static int me, has_turn = 1, next_one, turns[64][2];
static pid_t children[64];

static int mine(int who, int after)
{
    char turn;
    if (me != who)
        return 0;
    next_one = after;
    if (!has_turn && read(turns[me][0], &turn, 1) != 1)
        _exit(1);
    has_turn = 1;
    return 1;
}

static void pass(void)
{
    if (next_one == me || !has_turn)
        return;
    has_turn = 0;
    if (write(turns[next_one][1], "t", 1) != 1)
        _exit(1);
}

static inline void begin(int number)
{
    me = number;
    has_turn = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline void born(int number) { say(children[number] < 0 ? "-1 EAGAIN\n" : "process %d\n", number); }

static inline void await_child(int number)
{
    int how;
    waitpid(children[number], &how, 0);
    if (WIFSIGNALED(how))
        say("killed by SIG%s\n", sigabbrev_np(WTERMSIG(how)));
    else if (WEXITSTATUS(how) == 134 || WEXITSTATUS(how) == 139)
        say("killed by %s\n", WEXITSTATUS(how) == 134 ? "SIGABRT" : "SIGSEGV");
    else
        say("exit %d\n", WEXITSTATUS(how));
}

static void make_turns(void)
{
    for (int number = 0; number < 64; number++)
        if (pipe(turns[number]) < 0)
            _exit(1);
}
#define FORKS 1
"""

START: Final = r"""
#ifndef FORKS
static void pass(void) {}
static void make_turns(void) {}
#endif

int main(void)
{
    prepare();
    make_turns();
    say("# the heap begins at 0x%08lx\n", (unsigned long)sbrk(0));
BODY
    _exit(0);
}
"""

PARTS: Final[dict[tuple[str, ...], str]] = {
    ("touch",): _TOUCH,
    ("fill",): _FILL,
    ("check_touch",): _CHECK_TOUCH,
    ("tell_mallinfo",): _MALLINFO,
    ("stack_top", "tell_maps", "tell_figures", "tell_file"): _READ_ALL,
    ("stack_top",): _STACK,
    ("tell_maps",): _MAPS,
    ("tell_figures",): _FIGURES,
    ("tell_file",): _TELL_FILE,
    ("write_file", "set_sysctl"): _WRITE_FILE,
    ("set_sysctl",): _SYSCTL,
    ("limit",): _LIMIT,
    ("make_file",): _FILE,
    ("tell_pagemap", "tell_frames"): _PAGEMAP,
    ("leave",): _LEAVE,
}
"""Helpers, each behind the calls that need it."""
