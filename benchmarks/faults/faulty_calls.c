/*
 * Preloaded into a process, counts the calls that change a folder on the disk, and fails at the N-th of them:
 * the process dies before it (KILL), after half of it if it is a write (HALF), or the disk is full from it on (FULL).
 * Until `arm_faults` is called every call passes through. A reader process can be given a victim instead, by the
 * environment: it crashes or hangs when it opens a file whose path ends so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NEVER, KILL, HALF, FULL };

static const char *folder = NULL;
static size_t folder_length = 0;
static long fail_at = 0;
static int mode = NEVER;
static char *kinds = NULL; /* shared with the parent: one letter a call */
static long room = 0;
static atomic_long calls = 0;

void arm_faults(const char *path, long at, int what, char *log, long log_bytes)
{
    folder = strdup(path);
    folder_length = strlen(path);
    fail_at = at;
    mode = what;
    room = log_bytes;
    kinds = log;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_inside(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == 0);
}

static int concerns_path(const char *path)
{
    char whole[4096];
    if (folder == NULL || path == NULL)
        return 0;
    if (path[0] == '/')
        return is_inside(path);
    if (getcwd(whole, sizeof whole) == NULL)
        return 0;
    strncat(whole, "/", sizeof whole - strlen(whole) - 1);
    strncat(whole, path, sizeof whole - strlen(whole) - 1);
    return is_inside(whole);
}

static int concerns_descriptor(int descriptor)
{
    char link[64], path[4096];
    ssize_t length;
    if (folder == NULL)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_inside(path);
}

/* Count a call. Returns whether the disk is full for it; does not return where the process dies before it. */
static int fails(char kind, int *half)
{
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number <= room)
        kinds[number - 1] = kind;
    if (half != NULL)
        *half = mode == HALF && number == fail_at;
    if (number == fail_at && (mode == KILL || (mode == HALF && half == NULL)))
        kill(getpid(), SIGKILL);
    if (mode == FULL && fail_at > 0 && number >= fail_at && strchr("uD", kind) == NULL) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static void meet_victim(const char *path)
{
    const char *victim = getenv("FAULTS_VICTIM"), *what = getenv("FAULTS_ACTION");
    size_t length = victim == NULL ? 0 : strlen(victim), all = path == NULL ? 0 : strlen(path);
    if (length == 0 || all < length || strcmp(path + all - length, victim) != 0)
        return;
    if (what != NULL && strcmp(what, "hang") == 0)
        for (;;)
            pause();
    raise(SIGSEGV);
}

#define FAIL_ON(concerned, kind)              \
    if ((concerned) && fails((kind), NULL))   \
        return -1;

ssize_t write(int fd, const void *bytes, size_t count)
{
    int half = 0;
    if (concerns_descriptor(fd)) {
        if (fails('w', &half))
            return -1;
        if (half) {
            REAL(write)(fd, bytes, count / 2);
            kill(getpid(), SIGKILL);
        }
    }
    return REAL(write)(fd, bytes, count);
}

static ssize_t place(int fd, const void *bytes, size_t count, off64_t at)
{
    int half = 0;
    if (concerns_descriptor(fd)) {
        if (fails('p', &half))
            return -1;
        if (half) {
            REAL(pwrite64)(fd, bytes, count / 2, at);
            kill(getpid(), SIGKILL);
        }
    }
    return REAL(pwrite64)(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return place(fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return place(fd, bytes, count, at); }

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    FAIL_ON(concerns_descriptor(fd), 'w')
    return REAL(writev)(fd, parts, count);
}

int ftruncate(int fd, off_t size) { FAIL_ON(concerns_descriptor(fd), 't') return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { FAIL_ON(concerns_descriptor(fd), 't') return REAL(ftruncate64)(fd, size); }
int fsync(int fd) { FAIL_ON(concerns_descriptor(fd), 'f') return REAL(fsync)(fd); }
int fdatasync(int fd) { FAIL_ON(concerns_descriptor(fd), 'f') return REAL(fdatasync)(fd); }
int link(const char *a, const char *b) { FAIL_ON(concerns_path(b), 'l') return REAL(link)(a, b); }
int rename(const char *a, const char *b) { FAIL_ON(concerns_path(b), 'r') return REAL(rename)(a, b); }
int unlink(const char *path) { FAIL_ON(concerns_path(path), 'u') return REAL(unlink)(path); }
int rmdir(const char *path) { FAIL_ON(concerns_path(path), 'D') return REAL(rmdir)(path); }
int mkdir(const char *path, mode_t bits) { FAIL_ON(concerns_path(path), 'd') return REAL(mkdir)(path, bits); }

int linkat(int x, const char *a, int y, const char *b, int flags)
{
    FAIL_ON(concerns_path(b), 'l')
    return REAL(linkat)(x, a, y, b, flags);
}

int renameat(int x, const char *a, int y, const char *b)
{
    FAIL_ON(concerns_path(b), 'r')
    return REAL(renameat)(x, a, y, b);
}

int unlinkat(int x, const char *path, int flags)
{
    FAIL_ON(concerns_path(path), flags & AT_REMOVEDIR ? 'D' : 'u')
    return REAL(unlinkat)(x, path, flags);
}

int mkdirat(int x, const char *path, mode_t bits)
{
    FAIL_ON(concerns_path(path), 'd')
    return REAL(mkdirat)(x, path, bits);
}

#define OPEN(name, first, given)                                \
    int name first                                              \
    {                                                           \
        mode_t bits = 0;                                        \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                \
            va_list rest;                                       \
            va_start(rest, flags);                              \
            bits = va_arg(rest, mode_t);                        \
            va_end(rest);                                       \
        }                                                       \
        meet_victim(path);                                      \
        FAIL_ON((flags & (O_CREAT | O_TRUNC)) && concerns_path(path), 'o') \
        return REAL(name) given;                                \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, bits))
OPEN(open64, (const char *path, int flags, ...), (path, flags, bits))
OPEN(openat, (int x, const char *path, int flags, ...), (x, path, flags, bits))
OPEN(openat64, (int x, const char *path, int flags, ...), (x, path, flags, bits))
