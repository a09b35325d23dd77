/* Preloaded into a process: one system call on a path below a directory fails, or all from one on.
 *
 * FAULTS_BELOW is the directory, FAULTS_CONTROL a file of `struct control` that the test and the process share, so that the
 * test can count the calls, choose one, and take the fault away while the process runs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kind { READS, CHANGES, WRITES };
enum { PASS = -1, SHORT = 0 };

struct control {
    _Atomic int64_t calls[3]; /* of each kind, on paths below the directory, so far */
    _Atomic int64_t suitable; /* how many of them could have met the fault */
    _Atomic int64_t struck;   /* how many did */
    _Atomic int64_t at;       /* the first suitable call that fails, from 1; 0: none */
    _Atomic int64_t error;    /* its errno; 0: half of what is to be written is written */
    _Atomic int64_t lasts;    /* whether the ones after it fail as well */
    char first[448];          /* the name of the call that failed first, and its path */
};

static struct control *control;
static const char *below;
static size_t below_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    below = getenv("FAULTS_BELOW");
    if (!path || !below) return;
    below_length = strlen(below);
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int descriptor = real_open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (shared != MAP_FAILED) control = shared;
}

static int suits(enum kind kind, int error) {
    if (error == SHORT) return kind == WRITES;
    return kind != READS || (error != ENOSPC && error != EDQUOT);
}

static int verdict_on(const char *name, enum kind kind, const char *path) {
    if (!control || strncmp(path, below, below_length) || (path[below_length] && path[below_length] != '/')) return PASS;
    atomic_fetch_add(&control->calls[kind], 1);
    int error = (int)control->error;
    if (!suits(kind, error)) return PASS;
    int64_t number = atomic_fetch_add(&control->suitable, 1) + 1, at = control->at;
    if (!at || number < at) return PASS;
    int64_t before = atomic_fetch_add(&control->struck, 1);
    if (before && !control->lasts) return PASS;
    if (!before) snprintf(control->first, sizeof control->first, "%s %s", name, path);
    return error;
}

static int verdict_on_descriptor(const char *name, enum kind kind, int descriptor) {
    char link[64], path[4096];
    if (!control || descriptor <= 2) return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return PASS;
    path[length] = 0;
    return verdict_on(name, kind, path);
}

static int verdict_at(const char *name, enum kind kind, int directory, const char *path) {
    if (!path || !*path) return verdict_on_descriptor(name, kind, directory);
    return *path != '/' && directory != AT_FDCWD ? verdict_on_descriptor(name, kind, directory) : verdict_on(name, kind, path);
}

/* Each of these is the real call unless its verdict says otherwise. */
#define WRAP(result, name, kind, failed, judged, parameters, arguments) \
    result name parameters {                                            \
        static result(*real) parameters;                                \
        if (!real) real = dlsym(RTLD_NEXT, #name);                      \
        int verdict = judged;                                           \
        if (verdict > 0) {                                              \
            errno = verdict;                                            \
            return failed;                                              \
        }                                                               \
        return real arguments;                                          \
    }
#define ON_PATH(name, kind, parameters, arguments) WRAP(int, name, kind, -1, verdict_on(#name, kind, path), parameters, arguments)
#define ON_FILE(name, kind, parameters, arguments) \
    WRAP(int, name, kind, -1, verdict_on_descriptor(#name, kind, fd), parameters, arguments)
#define AT_PATH(name, kind, parameters, arguments) \
    WRAP(int, name, kind, -1, verdict_at(#name, kind, at, path), parameters, arguments)

ON_PATH(stat, READS, (const char *path, void *status), (path, status))
ON_PATH(stat64, READS, (const char *path, void *status), (path, status))
ON_PATH(lstat, READS, (const char *path, void *status), (path, status))
ON_PATH(lstat64, READS, (const char *path, void *status), (path, status))
ON_PATH(statvfs, READS, (const char *path, void *status), (path, status))
ON_PATH(statvfs64, READS, (const char *path, void *status), (path, status))
ON_PATH(mkdir, CHANGES, (const char *path, unsigned mode), (path, mode))
ON_PATH(unlink, CHANGES, (const char *path), (path))
ON_PATH(rename, CHANGES, (const char *path, const char *target), (path, target))
ON_FILE(fstat, READS, (int fd, void *status), (fd, status))
ON_FILE(fstat64, READS, (int fd, void *status), (fd, status))
ON_FILE(flock, READS, (int fd, int how), (fd, how))
ON_FILE(fsync, CHANGES, (int fd), (fd))
ON_FILE(fdatasync, CHANGES, (int fd), (fd))
ON_FILE(ftruncate, CHANGES, (int fd, off_t size), (fd, size))
ON_FILE(ftruncate64, CHANGES, (int fd, off_t size), (fd, size))
AT_PATH(fstatat, READS, (int at, const char *path, void *status, int flags), (at, path, status, flags))
AT_PATH(fstatat64, READS, (int at, const char *path, void *status, int flags), (at, path, status, flags))
AT_PATH(mkdirat, CHANGES, (int at, const char *path, unsigned mode), (at, path, mode))
AT_PATH(unlinkat, CHANGES, (int at, const char *path, int flags), (at, path, flags))
AT_PATH(renameat, CHANGES, (int at, const char *path, int to, const char *target), (at, path, to, target))

WRAP(DIR *, opendir, READS, NULL, verdict_on("opendir", READS, path), (const char *path), (path))
WRAP(struct dirent64 *, readdir64, READS, NULL, verdict_on_descriptor("readdir64", READS, dirfd(listing)), (DIR * listing), (listing))

#define READ(name, parameters, arguments) \
    WRAP(ssize_t, name, READS, -1, verdict_on_descriptor(#name, READS, fd), parameters, arguments)
READ(read, (int fd, void *into, size_t size), (fd, into, size))
READ(pread, (int fd, void *into, size_t size, off_t offset), (fd, into, size, offset))
READ(pread64, (int fd, void *into, size_t size, off_t offset), (fd, into, size, offset))

#define WRITE(name, parameters, arguments)                                        \
    ssize_t name parameters {                                                     \
        static ssize_t(*real) parameters;                                         \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                \
        int verdict = size > 1 ? verdict_on_descriptor(#name, WRITES, fd) : PASS; \
        if (verdict > 0) {                                                        \
            errno = verdict;                                                      \
            return -1;                                                            \
        }                                                                         \
        if (verdict == SHORT) size /= 2;                                          \
        return real arguments;                                                    \
    }
WRITE(write, (int fd, const void *from, size_t size), (fd, from, size))
WRITE(pwrite, (int fd, const void *from, size_t size, off_t offset), (fd, from, size, offset))
WRITE(pwrite64, (int fd, const void *from, size_t size, off_t offset), (fd, from, size, offset))

#define OPEN(name, parameters, arguments, judged)            \
    int name parameters {                                    \
        static int(*real) parameters;                        \
        if (!real) real = dlsym(RTLD_NEXT, #name);           \
        unsigned mode = 0;                                   \
        if (flags & (O_CREAT | __O_TMPFILE)) {               \
            va_list more;                                    \
            va_start(more, flags);                           \
            mode = va_arg(more, unsigned);                   \
            va_end(more);                                    \
        }                                                    \
        enum kind kind = flags & O_CREAT ? CHANGES : READS;  \
        int verdict = judged;                                \
        if (verdict > 0) {                                   \
            errno = verdict;                                 \
            return -1;                                       \
        }                                                    \
        return real arguments;                               \
    }
OPEN(open, (const char *path, int flags, ...), (path, flags, mode), verdict_on("open", kind, path))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), verdict_on("open64", kind, path))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), verdict_at("openat", kind, at, path))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), verdict_at("openat64", kind, at, path))
