/* A disk that breaks its promises or fails, for a program that is preloaded with this.
 *
 * BROKEN_DISK names a directory of switches: as long as a file of that name is there, the fault is on, for files below
 * the directory that BROKEN_DISK_BELOW names.
 *
 *   no-sync    every sync answers "done" and does nothing
 *   slow-sync  every sync takes 150 ms more
 *   sync-eio   every sync fails with EIO
 *   write-eio  every write fails with EIO
 *   full       every write and every allocation fails with ENOSPC
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SLOW_SYNC_US = 150000 };

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_on(const char *fault)
{
    const char *switches = getenv("BROKEN_DISK");
    char path[PATH_MAX];
    if (!switches)
        return 0;
    snprintf(path, sizeof path, "%s/%s", switches, fault);
    return access(path, F_OK) == 0;
}

static int is_below(int fd)
{
    const char *below = getenv("BROKEN_DISK_BELOW");
    char link[64], path[PATH_MAX];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (!below || length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) == 0;
}

static int fails(int fd, const char *fault, int with)
{
    if (!is_on(fault) || !is_below(fd))
        return 0;
    errno = with;
    return 1;
}

static int write_fails(int fd)
{
    return fails(fd, "full", ENOSPC) || fails(fd, "write-eio", EIO);
}

/* 1: do not sync; -1: fail. */
static int sync_is_broken(int fd)
{
    if (!is_below(fd))
        return 0;
    if (is_on("slow-sync"))
        usleep(SLOW_SYNC_US);
    if (fails(fd, "sync-eio", EIO))
        return -1;
    return is_on("no-sync");
}

int fsync(int fd)
{
    int broken = sync_is_broken(fd);
    return broken < 0 ? -1 : broken ? 0 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    int broken = sync_is_broken(fd);
    return broken < 0 ? -1 : broken ? 0 : REAL(fdatasync)(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags)
{
    int broken = sync_is_broken(fd);
    return broken < 0 ? -1 : broken ? 0 : REAL(sync_file_range)(fd, offset, length, flags);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    return write_fails(fd) ? -1 : REAL(write)(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_fails(fd) ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return write_fails(fd) ? -1 : REAL(pwrite)(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return write_fails(fd) ? -1 : REAL(pwrite64)(fd, bytes, length, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    return write_fails(fd) ? -1 : REAL(fallocate)(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return write_fails(fd) ? -1 : REAL(fallocate64)(fd, mode, offset, length);
}
