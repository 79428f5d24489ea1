/* test_memory_budget.c - how much memory a process may use, from a made-up machine; the budget. */
#include "server/cli/memory.h"
#include "tests/t.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static char root[64];

/* Writes root/path, with the folders above it; text NULL removes it. */
static void put(const char *path, const char *text)
{
    char full[512];
    FILE *f;
    snprintf(full, sizeof full, "%s/%s", root, path);
    if (!text) {
        unlink(full);
        return;
    }
    for (char *p = full + strlen(root) + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            if (mkdir(full, 0700) != 0 && errno != EEXIST) abort();
            *p = '/';
        }
    if (!(f = fopen(full, "w"))) abort();
    fputs(text, f);
    fclose(f);
}

static void usable(uint64_t wanted, const char *what)
{
    uint64_t got = syn_memory_usable(root);
    T_CHECK(got == wanted, "%s: %llu, wanted %llu", what, (unsigned long long)got,
            (unsigned long long)wanted);
}

static void test_machine(void)
{
    usable(0, "nothing is known");
    put("proc/meminfo", "MemFree:        1 kB\nMemTotal:        4194304 kB\nX: 1 kB\n");
    usable(4 * GIB, "the machine");
    put("proc/meminfo", "MemTotal: much\n");
    usable(0, "a machine that does not say");
    put("sys/fs/cgroup/memory.max", "1048576000\n");
    usable(1048576000, "the group alone");
    put("proc/meminfo", "MemTotal:        4194304 kB\n");
}

static void test_version_2(void)
{
    put("sys/fs/cgroup/memory.max", "max\n");
    usable(4 * GIB, "no limit");
    put("sys/fs/cgroup/memory.max", "8589934592\n");
    usable(4 * GIB, "a limit over what there is");
    put("sys/fs/cgroup/memory.max", "1073741824\n");
    usable(GIB, "a container's own limit");
    put("sys/fs/cgroup/memory.max", NULL);
    put("proc/self/cgroup", "0::/a/b\n");
    usable(4 * GIB, "a group of the host, not seen here");
    put("sys/fs/cgroup/a/b/memory.max", "2147483648\n");
    usable(2 * GIB, "the group");
    put("sys/fs/cgroup/a/memory.max", "536870912\n");
    usable(512 * MIB, "the group above");
    put("proc/self/cgroup", "0::/../a\n");
    usable(4 * GIB, "a group outside is not walked to");
    put("sys/fs/cgroup/a/memory.max", "nonsense\n");
    put("sys/fs/cgroup/a/b/memory.max", "12x\n");
    put("proc/self/cgroup", "0::/a/b\n");
    usable(4 * GIB, "what is no number is no limit");
    put("sys/fs/cgroup/a/memory.max", NULL);
    put("sys/fs/cgroup/a/b/memory.max", NULL);
}

static void test_version_1(void)
{
    put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/job/1\n0::/\nbroken\n:\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    usable(4 * GIB, "no limit");
    put("sys/fs/cgroup/memory/job/1/memory.limit_in_bytes", "314572800\n");
    usable(300 * MIB, "the group");
    put("proc/self/cgroup", "4:memory2,xmemory:/job/1\n");
    usable(4 * GIB, "another controller");
    put("proc/self/cgroup", "4:blkio,memory:/job/1/\n");
    usable(300 * MIB, "one of several controllers");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    usable(100 * MIB, "the topmost group");
}

static void test_budget(void)
{
    static const struct {
        uint64_t usable, budget;
    } row[] = {{0, 256 * MIB},           {256 * MIB, 256 * MIB}, {GIB, 256 * MIB},
               {GIB + 400, 256 * MIB + 100}, {4 * GIB, GIB},     {32 * GIB, 8 * GIB},
               {32 * GIB + 4, 8 * GIB},  {UINT64_MAX, 8 * GIB}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        T_CHECK(syn_memory_automatic(row[i].usable) == row[i].budget, "row %zu: %llu", i,
                (unsigned long long)syn_memory_automatic(row[i].usable));
    T_CHECK(syn_memory_budget(12345) == 12345, "a setting is taken as it is");
    T_CHECK(syn_memory_budget(0) == syn_memory_automatic(syn_memory_usable("")), "automatic");
    T_CHECK(syn_memory_usable("") > 0, "this machine");
}

int main(void)
{
    char command[128];
    snprintf(root, sizeof root, "/tmp/synthd-memory.%ld", (long)getpid());
    if (mkdir(root, 0700) != 0) abort();
    test_machine();
    test_version_2();
    test_version_1();
    test_budget();
    snprintf(command, sizeof command, "rm -r %s", root);
    if (system(command) != 0) abort();
    return t_report();
}
