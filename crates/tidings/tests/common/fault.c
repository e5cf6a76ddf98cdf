/* Preloaded into the server: the disk under its database fails or is slow when a
 * file says so. FAULTY_DISK names it; it holds lines such as
 *     write 5      writes to the database's files fail with that errno
 *     sync 5       so do fsync and fdatasync
 *     slow 200     syncs take so many milliseconds more
 *     hang 1       syncs take until this is no longer said
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int asked(const char *what, int fd) {
    int saved = errno, value = 0, number;
    const char *control = getenv("FAULTY_DISK");
    char link[64], path[4096], word[32];
    FILE *file = control ? fopen(control, "r") : NULL;
    if (file) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = 0;
        if (strstr(path, "tidings.db") && !strstr(path, ".lock"))
            while (fscanf(file, "%31s %d", word, &number) == 2)
                if (!strcmp(word, what)) value = number;
        fclose(file);
    }
    errno = saved;
    return value;
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, #name))
#define FAIL(what, fd) do { int number = asked(what, fd); if (number) { errno = number; return -1; } } while (0)

static void delay(int fd) {
    int milliseconds = asked("slow", fd);
    if (milliseconds) usleep(milliseconds * 1000);
    while (asked("hang", fd)) usleep(10000);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    FAIL("write", fd);
    return REAL(ssize_t (*)(int, const void *, size_t), write)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    FAIL("write", fd);
    return REAL(ssize_t (*)(int, const void *, size_t, off_t), pwrite)(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    FAIL("write", fd);
    return REAL(ssize_t (*)(int, const void *, size_t, off64_t), pwrite64)(fd, bytes, count, at);
}
int ftruncate(int fd, off_t length) {
    FAIL("write", fd);
    return REAL(int (*)(int, off_t), ftruncate)(fd, length);
}
int ftruncate64(int fd, off64_t length) {
    FAIL("write", fd);
    return REAL(int (*)(int, off64_t), ftruncate64)(fd, length);
}
int fsync(int fd) {
    delay(fd);
    FAIL("sync", fd);
    return REAL(int (*)(int), fsync)(fd);
}
int fdatasync(int fd) {
    delay(fd);
    FAIL("sync", fd);
    return REAL(int (*)(int), fdatasync)(fd);
}
