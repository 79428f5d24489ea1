/* memory.c - see memory.h.
 *
 * Where a cgroup's limit stands: /proc/self/cgroup names the group (a line "0::PATH" for version 2,
 * "N:...memory...:PATH" for version 1), the limit is a file in it or in any group above it. In a
 * container PATH is often that of the host, which cannot be seen from inside: what is not there is
 * passed over, and the topmost group, which a container sees as its own, is always asked. */
#include "server/cli/memory.h"
#include "kernels/base/log.h"
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V2_FOLDER "/sys/fs/cgroup"
#define V2_FILE "memory.max"
#define V1_FOLDER "/sys/fs/cgroup/memory"
#define V1_FILE "memory.limit_in_bytes"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number in a limit's file; "max", or no such file: UINT64_MAX. */
static uint64_t read_limit(const char *path)
{
    char text[40] = "", *end;
    unsigned long long v;
    FILE *f = fopen(path, "re");
    if (!f) return UINT64_MAX;
    if (!fgets(text, sizeof text, f)) text[0] = '\0';
    fclose(f);
    if (text[0] < '0' || text[0] > '9') return UINT64_MAX;
    v = strtoull(text, &end, 10);
    return *end == '\n' || *end == '\0' ? v : UINT64_MAX;
}

/* The smallest limit of the group and of those above it. */
static uint64_t group_limit(const char *root, const char *folder, const char *file,
                            const char *group)
{
    char path[PATH_MAX], below[PATH_MAX];
    uint64_t limit = UINT64_MAX;
    /* "/../x": a group outside of what this process sees */
    if (strstr(group, "..") || (size_t)snprintf(below, sizeof below, "%s", group) >= sizeof below)
        below[0] = '\0';
    for (;;) {
        size_t n = strlen(below);
        while (n > 0 && below[n - 1] == '/') below[--n] = '\0';
        if ((size_t)snprintf(path, sizeof path, "%s%s%s/%s", root, folder, below, file) <
            sizeof path)
            limit = smaller(limit, read_limit(path));
        if (n == 0) return limit;
        while (n > 0 && below[n - 1] != '/') n--;
        below[n] = '\0';
    }
}

/* Is "memory" one of the words between commas? */
static bool names_memory(const char *list, size_t n)
{
    static const char word[] = "memory";
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && list[end] != ',') end++;
        if (end - at == sizeof word - 1 && memcmp(list + at, word, sizeof word - 1) == 0)
            return true;
        at = end + 1;
    }
    return false;
}

static uint64_t cgroup_limit(const char *root)
{
    char line[PATH_MAX + 64];
    uint64_t limit = smaller(group_limit(root, V2_FOLDER, V2_FILE, ""),
                             group_limit(root, V1_FOLDER, V1_FILE, ""));
    FILE *f;
    if ((size_t)snprintf(line, sizeof line, "%s/proc/self/cgroup", root) >= sizeof line)
        return limit;
    f = fopen(line, "re");
    while (f && fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        group[strcspn(group, "\n")] = '\0';
        if (group == list + 1)
            limit = smaller(limit, group_limit(root, V2_FOLDER, V2_FILE, group + 1));
        else if (names_memory(list + 1, (size_t)(group - list - 1)))
            limit = smaller(limit, group_limit(root, V1_FOLDER, V1_FILE, group + 1));
    }
    if (f) fclose(f);
    return limit;
}

static uint64_t physical(const char *root)
{
    char line[PATH_MAX + 64];
    unsigned long long kib = 0;
    FILE *f;
    if ((size_t)snprintf(line, sizeof line, "%s/proc/meminfo", root) >= sizeof line) return 0;
    f = fopen(line, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemTotal: %llu kB", &kib) == 1) break;
    if (f) fclose(f);
    return kib > UINT64_MAX / 1024 ? 0 : (uint64_t)kib * 1024;
}

uint64_t syn_memory_usable(const char *root)
{
    uint64_t machine = physical(root), limit = cgroup_limit(root);
    if (machine == 0) return limit == UINT64_MAX ? 0 : limit;
    return smaller(machine, limit);
}

uint64_t syn_memory_automatic(uint64_t usable_bytes)
{
    uint64_t quarter = usable_bytes / 4;
    if (quarter < SYN_MEMORY_BUDGET_MIN) return SYN_MEMORY_BUDGET_MIN;
    return smaller(quarter, SYN_MEMORY_BUDGET_MAX);
}

uint64_t syn_memory_budget(int64_t configured_bytes)
{
    uint64_t usable = syn_memory_usable("");
    uint64_t budget =
        configured_bytes > 0 ? (uint64_t)configured_bytes : syn_memory_automatic(usable);
    syn_log(SYN_LOG_INFO,
            "memory usable_bytes=%" PRIu64 " memory_budget_bytes=%" PRIu64 " decided=%s", usable,
            budget, configured_bytes > 0 ? "setting" : "automatic");
    return budget;
}
