/* Counts what a process and its children do to files and sockets, and stops them at one of those calls.
 *
 * Preloaded into a process, it shares one page with the test: how many calls there were, at which one to stop, and
 * what stopping means. Only regular files and sockets count; what goes through a pipe is nobody's loss.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IDLE, EVERYTHING, ITSELF, LEADER, FULL, FAULTY };

struct page {
    _Atomic uint64_t count;
    uint64_t at;
    uint64_t how;
};

static struct page *page;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STOPPING_PAGE");
    int handle = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (handle < 0) return;
    void *found = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    close(handle);
    if (found != MAP_FAILED) page = found;
}

/* 0 to go on, or the error to give */
static int counted(int fills) {
    if (!page || page->how == IDLE) return 0;
    uint64_t now = atomic_fetch_add(&page->count, 1) + 1;
    if (!page->at || now < page->at) return 0;
    switch (page->how) {
    case FULL:
        return fills ? ENOSPC : 0;
    case FAULTY:
        return now == page->at ? EIO : 0;
    default:
        if (now != page->at) return 0;
    }
    pid_t who = page->how == ITSELF ? getpid() : page->how == LEADER ? getpgrp() : 0;
    kill(who, SIGKILL);
    while (page->how != LEADER || getpgrp() == getpid()) pause();
    return 0;
}

static int counts(int handle) {
    struct stat found;
    if (!page || page->how == IDLE || handle <= STDERR_FILENO || fstat(handle, &found)) return 0;
    return S_ISREG(found.st_mode) || S_ISSOCK(found.st_mode) || S_ISDIR(found.st_mode);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name);

#define STOP(fills) \
    do { \
        int error = counted(fills); \
        if (error) { errno = error; return -1; } \
    } while (0)

#define ON_HANDLE(type, name, fills, formal, actual) \
    type name formal { \
        REAL(type, #name, ARGS formal) \
        if (counts(handle)) STOP(fills); \
        return real actual; \
    }
#define ARGS(...) __VA_ARGS__

ON_HANDLE(ssize_t, write, 1, (int handle, const void *data, size_t size), (handle, data, size))
ON_HANDLE(ssize_t, pwrite, 1, (int handle, const void *data, size_t size, off_t at), (handle, data, size, at))
ON_HANDLE(ssize_t, pwrite64, 1, (int handle, const void *data, size_t size, off_t at), (handle, data, size, at))
ON_HANDLE(ssize_t, writev, 1, (int handle, const struct iovec *parts, int count), (handle, parts, count))
ON_HANDLE(int, fsync, 0, (int handle), (handle))
ON_HANDLE(int, fdatasync, 0, (int handle), (handle))
ON_HANDLE(int, ftruncate, 0, (int handle, off_t size), (handle, size))
ON_HANDLE(int, ftruncate64, 0, (int handle, off_t size), (handle, size))
ON_HANDLE(ssize_t, send, 0, (int handle, const void *data, size_t size, int flags), (handle, data, size, flags))
ON_HANDLE(ssize_t, sendto, 0, (int handle, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t long_),
          (handle, data, size, flags, to, long_))
ON_HANDLE(ssize_t, sendmsg, 0, (int handle, const struct msghdr *said, int flags), (handle, said, flags))

#define ON_NAME(name, fills, formal, actual) \
    int name formal { \
        REAL(int, #name, ARGS formal) \
        STOP(fills); \
        return real actual; \
    }

ON_NAME(rename, 0, (const char *from, const char *to), (from, to))
ON_NAME(renameat, 0, (int there, const char *from, int here, const char *to), (there, from, here, to))
ON_NAME(link, 1, (const char *from, const char *to), (from, to))
ON_NAME(linkat, 1, (int there, const char *from, int here, const char *to, int flags), (there, from, here, to, flags))
ON_NAME(unlink, 0, (const char *path), (path))
ON_NAME(unlinkat, 0, (int there, const char *path, int flags), (there, path, flags))
ON_NAME(rmdir, 0, (const char *path), (path))
ON_NAME(mkdir, 1, (const char *path, mode_t mode), (path, mode))
ON_NAME(mkdirat, 1, (int there, const char *path, mode_t mode), (there, path, mode))

/* The mode is there only with O_CREAT. */
#define OPENS(name, fixed, actual, types) \
    int name fixed { \
        static int (*real) types; \
        if (!real) real = (int(*) types)dlsym(RTLD_NEXT, #name); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (flags & (O_CREAT | O_TRUNC)) STOP(flags & O_CREAT); \
        return real actual; \
    }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode), (const char *, int, ...))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), (const char *, int, ...))
OPENS(openat, (int there, const char *path, int flags, ...), (there, path, flags, mode), (int, const char *, int, ...))
