/* shared.cpp - shared memory: the static variables of all modules, and the dynamic part.
 *
 * Static   __shared__ makes a variable thread_local (device.h), which GCC keeps in templates too,
 *          where it forgets a section attribute. The symbol tables of the program and its libraries
 *          tell where they lie: the thread_local variables inside functions, whose mangled names
 *          begin with _ZZ. So a .cu file's host code has no such variables of its own, and a
 *          stripped program has no poison. All of them are poisoned before each block: big tiles
 *          belong into dynamic memory (SYN_SHARED).
 * Dynamic  Ends at a guard page, begins at an odd multiple of 128 bytes: no more aligned than a
 *          kernel may rely on. */
#include "runtime.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct shared_range shared_dynamic;

static const size_t MOST = 256 << 10, GUARD = 1 << 20, ALIGN = 128;
static char *room; /* MOST bytes and the guard */
static std::vector<shared_range> variables; /* by address; of the OS thread that runs kernels */
static std::vector<std::pair<uintptr_t, uintptr_t>> thread_blocks; /* its thread-local memory */

/* --- finding the variables ------------------------------------------------------------------- */

static std::string readable(const char *mangled)
{
    int status;
    char *plain = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    std::string name = plain ? plain : mangled;
    free(plain);
    size_t at = name.rfind("::"); /* "void kernel<3>(int*)::tile" */
    return at == std::string::npos ? name : name.substr(at + 2);
}

static void add_symbols(const char *image, const ElfW(Shdr) *table, const ElfW(Shdr) *strings,
                        char *tls)
{
    const ElfW(Sym) *symbol = (const ElfW(Sym) *)(image + table->sh_offset);
    const char *names = image + strings->sh_offset;
    for (size_t i = 0; i < table->sh_size / sizeof *symbol; i++) {
        const char *name = names + symbol[i].st_name;
        if ((symbol[i].st_info & 15) != STT_TLS || symbol[i].st_size == 0) continue;
        if (strncmp(name, "_ZZ", 3) != 0) continue;
        char *from = tls + symbol[i].st_value;
        variables.push_back({from, from + symbol[i].st_size, readable(name), {}});
    }
}

static void read_module(const char *path, char *tls)
{
    struct stat s;
    int fd = open(path, O_RDONLY);
    if (fd < 0) return;
    void *p = fstat(fd, &s) == 0 ? mmap(nullptr, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                                 : MAP_FAILED;
    close(fd);
    if (p == MAP_FAILED) return;
    const char *image = (const char *)p;
    const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)image;
    const ElfW(Shdr) *section = (const ElfW(Shdr) *)(image + e->e_shoff);
    for (int i = 0; i < e->e_shnum; i++)
        if (section[i].sh_type == SHT_SYMTAB)
            add_symbols(image, &section[i], &section[section[i].sh_link], tls);
    munmap(p, (size_t)s.st_size);
}

/* libc and the sanitizers' libraries have thread-local variables as well, but no symbol tables. */
static int look_for_variables(struct dl_phdr_info *info, size_t, void *)
{
    bool program = !info->dlpi_name[0];
    if (info->dlpi_tls_modid == 0) return 0;
    char *tls = (char *)info->dlpi_tls_data;
    if (!tls) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            thread_blocks.push_back({(uintptr_t)tls, (uintptr_t)tls + info->dlpi_phdr[i].p_memsz});
    read_module(program ? "/proc/self/exe" : info->dlpi_name, tls);
    return 0;
}

static int count_loaded(struct dl_phdr_info *info, size_t, void *user)
{
    *(unsigned long long *)user = info->dlpi_adds;
    return 1;
}

/* Again when a library was loaded, or when another OS thread runs kernels now. */
static void find_variables(void)
{
    static unsigned long long loaded;
    static const void *thread;
    unsigned long long loaded_now = 0;
    dl_iterate_phdr(count_loaded, &loaded_now);
    if (loaded == loaded_now && thread == (const void *)&cuda_host_here) return;
    loaded = loaded_now, thread = &cuda_host_here;
    variables.clear(), thread_blocks.clear();
    dl_iterate_phdr(look_for_variables, nullptr);
    std::sort(variables.begin(), variables.end(),
              [](const shared_range &a, const shared_range &b) { return a.from < b.from; });
}

/* --- a launch, a block ----------------------------------------------------------------------- */

char *shared_begin(size_t bytes)
{
    find_variables();
    if (!room) {
        void *p = mmap(nullptr, MOST + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
        if (p == MAP_FAILED || mprotect((char *)p + MOST, GUARD, PROT_NONE) != 0) {
            perror("cuda_host: shared memory");
            abort();
        }
        room = (char *)p;
    }
    if (bytes > MOST - 2 * ALIGN) return nullptr;
    char *base = room + MOST - (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if ((uintptr_t)base % (2 * ALIGN) == 0) base -= ALIGN;
    shared_dynamic.from = base, shared_dynamic.to = base + bytes;
    shared_dynamic.name = "dynamic";
    return base;
}

/* Where the canary behind the dynamic part ends: at the guard. */
static char *slack_end(void) { return room + MOST; }

void shared_poison(void)
{
    for (const shared_range &r : variables) memset(r.from, 0xff, (size_t)(r.to - r.from));
    memset(shared_dynamic.from, 0xff, (size_t)(shared_dynamic.to - shared_dynamic.from));
    memset(shared_dynamic.to, 0xfd, (size_t)(slack_end() - shared_dynamic.to));
}

bool shared_check_canary(void)
{
    for (const char *p = shared_dynamic.to; p < slack_end(); p++)
        if ((unsigned char)*p != 0xfd) return false;
    return true;
}

struct shared_range *shared_find(const void *p)
{
    char *at = (char *)const_cast<void *>(p);
    if (at >= shared_dynamic.from && at < shared_dynamic.to) return &shared_dynamic;
    if (variables.empty() || at < variables.front().from || at >= variables.back().to)
        return nullptr;
    auto after = std::upper_bound(variables.begin(), variables.end(), at,
                                  [](char *x, const shared_range &r) { return x < r.from; });
    if (after == variables.begin()) return nullptr;
    shared_range *r = &*(after - 1);
    return at < r->to ? r : nullptr;
}

bool cuda_host_is_shared(const void *p, size_t bytes)
{
    const struct shared_range *r = shared_find(p);
    return r && bytes <= (size_t)(r->to - (const char *)p);
}

ptrdiff_t shared_past(const void *p)
{
    const char *at = (const char *)p;
    bool near = room && at >= room && at < room + MOST + GUARD;
    return !near ? PTRDIFF_MIN : at < shared_dynamic.from ? at - shared_dynamic.from
                                                          : at - shared_dynamic.to;
}

/* --- other variables ------------------------------------------------------------------------- */

struct query {
    uintptr_t from, to;
    bool found;
};

static int look(struct dl_phdr_info *info, size_t, void *user)
{
    struct query *q = (struct query *)user;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD && q->from >= at && q->to <= at + h->p_memsz) q->found = true;
    }
    return q->found;
}

bool module_memory(const void *p, size_t bytes)
{
    struct query q = {(uintptr_t)p, (uintptr_t)p + bytes, false};
    /* A __shared__ array of a class has a guard there, which every thread reads. */
    for (const auto &b : thread_blocks)
        if (q.from >= b.first && q.to <= b.second) return true;
    dl_iterate_phdr(look, &q);
    return q.found;
}
