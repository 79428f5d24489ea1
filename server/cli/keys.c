/* keys.c - `synthd keys create|list|revoke`: the file of "name:sha256hex" lines that the daemon
 * reads at start. The key itself is shown once and stored nowhere.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "server/cli/cli.h"
#include "server/cli/paths.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#define MAX_NAME 63
#define KEY_BYTES 32
#define MAX_FILE ((size_t)1 << 20)

static const struct syn_usage usage = {
    "synthd keys create|list|revoke [NAME] [--file FILE] [--data DIR]",
    "Manages API keys. create prints a new key once; the file keeps its SHA-256 only. A running\n"
    "daemon reads the file when it starts. A file without keys lets nobody in and keeps the\n"
    "daemon from starting.",
    "  synthd keys create frontend\n  synthd keys list\n  synthd keys revoke frontend"};

struct keys {
    const char *file, *data; /* options */
    char *path;              /* owned */
    char *text;              /* the file; owned; "" when there is none */
};

static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])) return false;
    return n >= 1 && n <= MAX_NAME;
}

static int set_path(struct keys *k)
{
    struct syn_err err;
    char *data = NULL;
    syn_status st = SYN_OK;
    if (k->file) {
        k->path = syn_strdup(k->file);
    } else {
        st = syn_path_data(k->data, &data, &err);
        if (st == SYN_OK) st = syn_path_make(data, 0700, &err);
        if (st == SYN_OK) k->path = syn_path_join(data, "keys");
        syn_free(data);
    }
    if (st == SYN_OK && !k->path) st = syn_fail(&err, SYN_NO_MEMORY, "no memory for a path");
    return st == SYN_OK ? -1 : syn_complain(SYN_EXIT_UNREACHABLE, "%s", err.text);
}

static int read_file(struct keys *k)
{
    struct syn_err err;
    size_t n;
    syn_status st = syn_file_read(k->path, MAX_FILE, &k->text, &n, &err);
    if (st == SYN_NOT_FOUND) {
        k->text = syn_strdup("");
        st = k->text ? SYN_OK : syn_fail(&err, SYN_NO_MEMORY, "no memory for the keys");
    }
    return st == SYN_OK ? -1 : syn_complain(SYN_EXIT_UNREACHABLE, "%s", err.text);
}

/* The line that starts with "name:", or NULL. *n: its bytes with the newline. */
static char *find_line(const struct keys *k, const char *name, size_t *n)
{
    size_t n_name = strlen(name);
    for (char *line = k->text; *line;) {
        char *end = strchr(line, '\n');
        size_t bytes = end ? (size_t)(end + 1 - line) : strlen(line);
        if (strncmp(line, name, n_name) == 0 && line[n_name] == ':') {
            *n = bytes;
            return line;
        }
        line += bytes;
    }
    return NULL;
}

/* key: "syn_" and 64 hex digits; digest: of its text. */
static bool make_key(char key[5 + 2 * KEY_BYTES], char digest_hex[65])
{
    uint8_t bytes[KEY_BYTES], digest[32];
    unsigned n = 0;
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return false;
    strcpy(key, "syn_");
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(key + 4 + 2 * i, 3, "%02x", bytes[i]);
    if (EVP_Digest(key, strlen(key), digest, &n, EVP_sha256(), NULL) != 1 || n != sizeof digest)
        return false;
    for (size_t i = 0; i < sizeof digest; i++) snprintf(digest_hex + 2 * i, 3, "%02x", digest[i]);
    return true;
}

static int write_file(const struct keys *k, const char *text, size_t n)
{
    struct syn_err err;
    if (syn_file_write(k->path, text, n, 0600, &err) == SYN_OK) return -1;
    return syn_complain(SYN_EXIT_UNREACHABLE, "%s", err.text);
}

static int create_key(const struct keys *k, const char *name)
{
    char key[5 + 2 * KEY_BYTES], digest[65], *text;
    size_t n_old = strlen(k->text), size = n_old + MAX_NAME + 80, n_line;
    bool ended = n_old == 0 || k->text[n_old - 1] == '\n';
    int code;
    if (find_line(k, name, &n_line))
        return syn_complain(SYN_EXIT_USAGE, "NAME = \"%s\": has a key already (revoke it first)",
                            name);
    if (!make_key(key, digest))
        return syn_complain(SYN_EXIT_UNREACHABLE, "no random numbers or no SHA-256");
    text = syn_alloc(size);
    if (!text) return syn_complain(SYN_EXIT_UNREACHABLE, "no memory for the keys");
    snprintf(text, size, "%s%s%s:%s\n", k->text, ended ? "" : "\n", name, digest);
    code = write_file(k, text, strlen(text));
    syn_free(text);
    if (code >= 0) return code;
    puts(key);
    return SYN_EXIT_OK;
}

static int revoke_key(const struct keys *k, const char *name)
{
    size_t n;
    char *line = find_line(k, name, &n);
    int code;
    if (!line)
        return syn_complain(SYN_EXIT_USAGE, "NAME = \"%s\": has no key in %s", name, k->path);
    memmove(line, line + n, strlen(line + n) + 1);
    code = write_file(k, k->text, strlen(k->text));
    if (code >= 0) return code;
    printf("%s: revoked; restart the daemon\n", name);
    return SYN_EXIT_OK;
}

static int list_keys(const struct keys *k)
{
    for (const char *line = k->text; *line;) {
        const char *end = strchr(line, '\n'), *colon = strchr(line, ':');
        size_t bytes = end ? (size_t)(end + 1 - line) : strlen(line);
        if (line[0] != '#' && colon && (size_t)(colon - line) < bytes)
            printf("%.*s sha256:%.12s...\n", (int)(colon - line), line, colon + 1);
        line += bytes;
    }
    return SYN_EXIT_OK;
}

/* Two `keys` at once must not lose each other's line: a lock on a file beside it. -1 or the exit
 * code. */
static int lock(const struct keys *k, int *fd)
{
    char *path = syn_alloc(strlen(k->path) + 8);
    if (!path) return syn_complain(SYN_EXIT_UNREACHABLE, "no memory for a path");
    sprintf(path, "%s.lock", k->path);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0 || flock(*fd, LOCK_EX) != 0) {
        int code = syn_complain(SYN_EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
        syn_free(path);
        return code;
    }
    syn_free(path);
    return -1;
}

int syn_command_keys(int argc, char **argv)
{
    struct keys k = {.data = ""};
    struct syn_arg_list rest = {0};
    const struct syn_arg table[] = {
        {"file", SYN_ARG_TEXT, &k.file, "FILE", "the keys file; default DATA/keys", 0, 0},
        {"data", SYN_ARG_TEXT, &k.data, "DIR", "data folder; default ~/.local/share/synthd", 0, 0},
        {0}};
    const char *verb, *name;
    int fd = -1, code = syn_args_parse(&usage, table, argc, argv, &rest);
    if (code >= 0) return code;
    verb = rest.n ? rest.item[0] : "";
    name = rest.n > 1 ? rest.item[1] : "";
    if (strcmp(verb, "create") != 0 && strcmp(verb, "revoke") != 0 && strcmp(verb, "list") != 0)
        return syn_complain(SYN_EXIT_USAGE, "keys: \"%.40s\": must be create, list or revoke",
                            verb);
    if (rest.n != (strcmp(verb, "list") == 0 ? 1 : 2))
        return syn_complain(SYN_EXIT_USAGE, "keys %s: wrong number of arguments (usage: %s)", verb,
                            usage.synopsis);
    if (rest.n == 2 && !name_ok(name))
        return syn_complain(SYN_EXIT_USAGE,
                            "NAME = \"%.80s\": must be 1 to %d of letters, digits, . _ -", name,
                            MAX_NAME);
    code = set_path(&k);
    if (code < 0 && verb[0] != 'l') code = lock(&k, &fd);
    if (code < 0) code = read_file(&k);
    if (code < 0)
        code = verb[0] == 'c'   ? create_key(&k, name)
               : verb[0] == 'r' ? revoke_key(&k, name)
                                : list_keys(&k);
    if (fd >= 0) close(fd);
    syn_free(k.path);
    syn_free(k.text);
    return code;
}
