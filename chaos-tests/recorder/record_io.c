/* Records what a process does to the files below one directory, in order, for crash images.
 *
 * Preloaded into a program that brings its own I/O (sled). RECORD_DIR names the directory, RECORD_FILE the
 * record. Every call is made and noted under one lock, so the record has the order that the kernel saw, and a
 * sync covers exactly what stands before it. Lines written to standard output are noted as remarks.
 *
 * One note: kind (1 byte), descriptor's file number (8), offset or length (8), then two byte strings, each
 * behind its length (4): a path, or the data written; and a second path. Numbers are little-endian.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CREATED = 1, OPENED, WRITTEN, LENGTH_SET, RENAMED, UNLINKED, FILE_SYNCED, DIR_SYNCED, REMARK };
enum { DESCRIPTORS_MAX = 4096 };

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int record = -1;
static char below[PATH_MAX];
static uint64_t files;
/* What a descriptor stands for: a file's number, or a directory. */
static struct { uint64_t file; char *dir; } descriptors[DESCRIPTORS_MAX];
/* Numbers of files that are open or were, by inode: a file opened twice has one number. */
static struct { ino_t inode; uint64_t file; } inodes[DESCRIPTORS_MAX];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void)
{
    const char *dir = getenv("RECORD_DIR"), *file = getenv("RECORD_FILE");
    if (!dir || !file)
        return;
    snprintf(below, sizeof below, "%s", dir);
    record = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t written = REAL(write)(record, next, length);
        if (written < 0)
            abort(); /* a record with a gap would prove nothing */
        next += written;
        length -= written;
    }
}

static void note(uint8_t kind, uint64_t file, uint64_t number, const void *first, uint32_t first_length,
                 const char *second)
{
    uint32_t second_length = second ? strlen(second) : 0;
    put(&kind, 1);
    put(&file, 8);
    put(&number, 8);
    put(&first_length, 4);
    put(first, first_length);
    put(&second_length, 4);
    put(second, second_length);
}

static int is_recorded(const char *path)
{
    return record >= 0 && strncmp(path, below, strlen(below)) == 0;
}

static uint64_t number_of(ino_t inode, int is_new)
{
    size_t free_slot = 0;
    for (size_t slot = 1; slot < DESCRIPTORS_MAX; slot++) {
        if (inodes[slot].file && inodes[slot].inode == inode) {
            if (is_new)
                inodes[slot].file = ++files; /* the inode of a removed file came back */
            return inodes[slot].file;
        }
        if (!inodes[slot].file && !free_slot)
            free_slot = slot;
    }
    if (!free_slot)
        abort();
    inodes[free_slot].inode = inode;
    return inodes[free_slot].file = ++files;
}

static int opened(int descriptor, const char *path, int existed, int flags)
{
    struct stat status;
    if (descriptor < 0 || !is_recorded(path) || fstat(descriptor, &status) != 0)
        return descriptor;
    if (descriptor >= DESCRIPTORS_MAX)
        abort();
    if (S_ISDIR(status.st_mode)) {
        descriptors[descriptor].dir = strdup(path);
    } else if (S_ISREG(status.st_mode)) {
        uint64_t file = number_of(status.st_ino, !existed);
        descriptors[descriptor].file = file;
        note(existed ? OPENED : CREATED, file, 0, path, strlen(path), NULL);
        if (existed && (flags & O_TRUNC))
            note(LENGTH_SET, file, 0, NULL, 0, NULL);
    }
    return descriptor;
}

static int open_below(int dirfd, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX], link[64];
    struct stat status;
    int saved;
    if (path[0] == '/' || dirfd == AT_FDCWD) {
        snprintf(full, sizeof full, "%s", path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t length = readlink(link, full, sizeof full - NAME_MAX - 2);
        snprintf(full + (length < 0 ? 0 : length), NAME_MAX + 2, "/%s", path);
    }
    pthread_mutex_lock(&lock);
    int existed = fstatat(dirfd, path, &status, 0) == 0;
    int descriptor = opened(REAL(openat)(dirfd, path, flags, mode), full, existed, flags);
    saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return descriptor;
}

#define MODE(flags)                                                                                                  \
    mode_t mode = 0;                                                                                                 \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                           \
        va_list arguments;                                                                                           \
        va_start(arguments, flags);                                                                                  \
        mode = va_arg(arguments, mode_t);                                                                            \
        va_end(arguments);                                                                                           \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_below(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_below(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return open_below(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return open_below(dir, path, flags, mode); }

int close(int descriptor)
{
    pthread_mutex_lock(&lock);
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX) {
        free(descriptors[descriptor].dir);
        descriptors[descriptor].dir = NULL;
        descriptors[descriptor].file = 0;
    }
    int result = REAL(close)(descriptor);
    pthread_mutex_unlock(&lock);
    return result;
}

static uint64_t file_of(int descriptor)
{
    return record >= 0 && descriptor >= 0 && descriptor < DESCRIPTORS_MAX ? descriptors[descriptor].file : 0;
}

static ssize_t pwrite_noted(int descriptor, const void *data, size_t length, off_t offset)
{
    pthread_mutex_lock(&lock);
    ssize_t written = REAL(pwrite)(descriptor, data, length, offset);
    if (written > 0 && file_of(descriptor))
        note(WRITTEN, file_of(descriptor), offset, data, written, NULL);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return written;
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset)
{
    return pwrite_noted(descriptor, data, length, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset)
{
    return pwrite_noted(descriptor, data, length, offset);
}

ssize_t write(int descriptor, const void *data, size_t length)
{
    pthread_mutex_lock(&lock);
    off_t offset = file_of(descriptor) ? lseek(descriptor, 0, SEEK_CUR) : 0;
    ssize_t written = REAL(write)(descriptor, data, length);
    if (written > 0 && file_of(descriptor))
        note(WRITTEN, file_of(descriptor), offset, data, written, NULL);
    else if (written > 0 && descriptor == STDOUT_FILENO && record >= 0)
        note(REMARK, 0, 0, data, written, NULL);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return written;
}

static int set_length(int descriptor, off_t length)
{
    pthread_mutex_lock(&lock);
    int result = REAL(ftruncate)(descriptor, length);
    if (result == 0 && file_of(descriptor))
        note(LENGTH_SET, file_of(descriptor), length, NULL, 0, NULL);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int ftruncate(int descriptor, off_t length) { return set_length(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { return set_length(descriptor, length); }

static int synced(int descriptor, int result)
{
    if (result == 0 && file_of(descriptor))
        note(FILE_SYNCED, file_of(descriptor), 0, NULL, 0, NULL);
    else if (result == 0 && record >= 0 && descriptor >= 0 && descriptor < DESCRIPTORS_MAX
             && descriptors[descriptor].dir)
        note(DIR_SYNCED, 0, 0, descriptors[descriptor].dir, strlen(descriptors[descriptor].dir), NULL);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int fsync(int descriptor)
{
    pthread_mutex_lock(&lock);
    return synced(descriptor, REAL(fsync)(descriptor));
}

int fdatasync(int descriptor)
{
    pthread_mutex_lock(&lock);
    return synced(descriptor, REAL(fdatasync)(descriptor));
}

int rename(const char *from, const char *to)
{
    pthread_mutex_lock(&lock);
    int result = REAL(rename)(from, to);
    if (result == 0 && is_recorded(to))
        note(RENAMED, 0, 0, from, strlen(from), to);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlink(const char *path)
{
    pthread_mutex_lock(&lock);
    int result = REAL(unlink)(path);
    if (result == 0 && is_recorded(path))
        note(UNLINKED, 0, 0, path, strlen(path), NULL);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlinkat(int dirfd, const char *path, int flags)
{
    char full[PATH_MAX], link[64];
    pthread_mutex_lock(&lock);
    if (path[0] == '/' || dirfd == AT_FDCWD) {
        snprintf(full, sizeof full, "%s", path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t length = readlink(link, full, sizeof full - NAME_MAX - 2);
        snprintf(full + (length < 0 ? 0 : length), NAME_MAX + 2, "/%s", path);
    }
    int result = REAL(unlinkat)(dirfd, path, flags);
    if (result == 0 && !(flags & AT_REMOVEDIR) && is_recorded(full))
        note(UNLINKED, 0, 0, full, strlen(full), NULL);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}
