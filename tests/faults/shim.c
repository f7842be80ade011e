/* Preloaded into a server: makes its disk slow, broken or full, steps its clock, and notes what is
 * on disk. It is told what to do, and tells what it saw, in a page of shared memory.
 *
 * Only regular files of this process itself count: what a forked child rewrites is its own affair.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* tests/faults/shim.py has the same order. */
struct control {
    volatile int64_t sync_delay_us;
    volatile int64_t sync_errno;
    volatile int64_t write_errno;
    volatile int64_t clock_offset_us;
    volatile int64_t syncs;
    volatile int64_t synced_inode;
    volatile int64_t synced_bytes;
};

static struct control none;
static struct control *control = &none;
static pid_t owner;

static int (*real_fdatasync)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_write = dlsym(RTLD_NEXT, "write");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    owner = getpid();
    const char *path = getenv("FAULTS_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        control = page;
}

static int is_ours(int fd, struct stat *file) {
    return fd > 2 && getpid() == owner && fstat(fd, file) == 0 && S_ISREG(file->st_mode);
}

int fdatasync(int fd) {
    struct stat file;
    if (!is_ours(fd, &file))
        return real_fdatasync(fd);
    if (control->sync_errno) {
        errno = (int)control->sync_errno;
        return -1;
    }
    if (control->sync_delay_us)
        usleep((useconds_t)control->sync_delay_us);
    int done = real_fdatasync(fd);
    if (done == 0) {
        /* The size from before the call: what was written meanwhile may not be on disk. */
        control->synced_inode = (int64_t)file.st_ino;
        control->synced_bytes = (int64_t)file.st_size;
        control->syncs++;
    }
    return done;
}

ssize_t write(int fd, const void *data, size_t size) {
    struct stat file;
    if (control->write_errno && is_ours(fd, &file)) {
        errno = (int)control->write_errno;
        return -1;
    }
    return real_write(fd, data, size);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = real_clock_gettime(clock, now);
    int64_t offset_us = control->clock_offset_us;
    if (done == 0 && offset_us && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + (offset_us % 1000000) * 1000;
        now->tv_sec += offset_us / 1000000;
        if (ns < 0) {
            ns += 1000000000;
            now->tv_sec--;
        } else if (ns >= 1000000000) {
            ns -= 1000000000;
            now->tv_sec++;
        }
        now->tv_nsec = ns;
    }
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int done = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return done;
}

time_t time(time_t *into) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (into)
        *into = precise.tv_sec;
    return precise.tv_sec;
}
