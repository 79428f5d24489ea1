/* memory.cpp - device and pinned blocks: guard pages, canaries, quarantine, accounting.
 *
 * Layout   guard page | canary ... | the block | slack to 256 bytes, canary | guard page
 *          A block ends as near to its guard page as the alignment of 256 bytes that CUDA promises
 *          allows. It begins as 0xff: NaN as a float, -1 as an index.
 * Freed    pages lose all access and come back into use only when 64 GiB of addresses are spent, so
 *          that a later access faults and can be told apart.
 * Closed   Device memory is accessible only while work runs (memory_open), so host code that
 *          follows a device pointer is caught. */
#include "runtime.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <deque>
#include <sys/mman.h>

static const size_t PAGE = 4096, ALIGN = 256, ARENA = (size_t)64 << 30;
enum { MOST_TO_CLOSE = 512 };             /* with more blocks device memory stays open, */
static const size_t LARGE = (size_t)4 << 20; /* and so do large ones: closing costs 30 ns a page */

static char *arena;
static size_t used; /* addresses given out */
static const struct block **owner; /* of each page */
/* Never destroyed: threads may still free while the process ends. */
static auto &living = *new std::vector<struct block *>;
static auto &quarantine = *new std::deque<struct block *>;
static auto &registered = *new std::vector<struct block *>;
static unsigned serials, allocs, fail_in, open_depth;

unsigned cuda_host_allocs(void) { return allocs; }
void cuda_host_fail_alloc(unsigned n) { fail_in = n; }
void memory_reset_failures(void) { fail_in = allocs = 0; }

static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static void *map(size_t bytes, int access)
{
    void *p = mmap(nullptr, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : p;
}

static bool reserve(void)
{
    if (arena) return true;
    arena = (char *)map(ARENA, PROT_NONE);
    owner = (const struct block **)map(ARENA / PAGE * sizeof *owner, PROT_READ | PROT_WRITE);
    return arena && owner;
}

/* NaN as float, half and bfloat16, and no number that a kernel would store. */
static unsigned char canary_at(const char *p) { return (uintptr_t)p % 2 ? 0x7f : 0xff; }

static void paint(char *from, char *to)
{
    for (; from < to; from++) *from = (char)canary_at(from);
}

static const char *first_spoilt(const char *from, const char *to)
{
    for (; from < to; from++)
        if ((unsigned char)*from != canary_at(from)) return from;
    return nullptr;
}

bool memory_in_arena(const void *p)
{
    return arena && (const char *)p >= arena && (const char *)p < arena + ARENA;
}

const struct block *memory_find(const void *p)
{
    return memory_in_arena(p) ? owner[(size_t)((const char *)p - arena) / PAGE] : nullptr;
}

/* --- giving ---------------------------------------------------------------------------------- */

/* Addresses for `whole` bytes and a guard page at each end; old ones when new ones are spent. */
static char *addresses(size_t whole)
{
    if (whole + 2 * PAGE < ARENA - used) {
        char *first = arena + used + PAGE;
        used += whole + PAGE;
        return first;
    }
    for (auto it = quarantine.begin(); it != quarantine.end(); ++it) {
        if ((*it)->whole < whole) continue;
        char *first = (*it)->first;
        delete *it;
        quarantine.erase(it);
        return first;
    }
    return nullptr;
}

static bool closes(const struct block *b) { return b->kind == DEVICE_BLOCK && b->whole <= LARGE; }

static struct block *make_block(enum block_kind kind, size_t bytes)
{
    size_t body = up(bytes ? bytes : 1, ALIGN), whole = up(body + ALIGN, PAGE);
    char *first = reserve() ? addresses(whole) : nullptr;
    if (!first || mprotect(first, whole, PROT_READ | PROT_WRITE) != 0) return nullptr;
    struct block *b = new block{};
    b->base = first + whole - body, b->bytes = bytes, b->first = first, b->whole = whole;
    b->kind = kind, b->device = current_device(), b->serial = ++serials;
    paint(first, b->base);
    memset(b->base, 0xff, bytes);
    paint(b->base + bytes, first + whole);
    /* The guard pages are told as this block's: who strays there came from it. */
    for (char *p = first - PAGE; p <= first + whole; p += PAGE)
        owner[(size_t)(p - arena) / PAGE] = b;
    if (closes(b) && open_depth == 0) mprotect(first, whole, PROT_NONE);
    return b;
}

cudaError_t memory_alloc(enum block_kind kind, size_t bytes, void **p)
{
    struct device *d = &devices[current_device()];
    allocs++;
    if (fail_in > 0 && --fail_in == 0) return cudaErrorMemoryAllocation;
    size_t counted = up(bytes, ALIGN);
    if (counted < bytes || (kind == DEVICE_BLOCK && counted > d->spec.memory_bytes - d->bytes))
        return cudaErrorMemoryAllocation;
    struct block *b = make_block(kind, bytes);
    if (!b) return cudaErrorMemoryAllocation;
    living.push_back(b);
    if (kind == DEVICE_BLOCK) d->bytes += counted, d->peak = std::max(d->peak, d->bytes);
    *p = b->base;
    return cudaSuccess;
}

/* --- looking --------------------------------------------------------------------------------- */

bool memory_holds(enum block_kind kind, const void *p, size_t bytes)
{
    const struct block *b = memory_find(p);
    const char *at = (const char *)p;
    return b && !b->freed && b->kind == kind && at >= b->base && at <= b->base + b->bytes &&
           bytes <= (size_t)(b->base + b->bytes - at);
}

bool memory_is_pinned(const void *p)
{
    if (memory_holds(PINNED_BLOCK, p, 1)) return true;
    for (const struct block *b : registered)
        if ((const char *)p >= b->base && (const char *)p < b->base + b->bytes) return true;
    return false;
}

static std::string words(const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

/* A guard page lies between two blocks and is told as the second one's: the nearer one is meant. */
static const struct block *nearest(const char *at)
{
    const struct block *b = memory_find(at);
    if (!b || at >= b->first) return b;
    const struct block *before = at >= arena + PAGE ? memory_find(at - PAGE) : nullptr;
    return before && at - (before->base + before->bytes) < b->base - at ? before : b;
}

std::string memory_describe(const void *p)
{
    const char *at = (const char *)p;
    const struct block *b = nearest(at);
    if (shared_past(p) >= 0)
        return words("%td bytes past the end of dynamic shared memory", shared_past(p));
    if (shared_past(p) != PTRDIFF_MIN)
        return words("%td bytes before dynamic shared memory", -shared_past(p));
    if (!b) return memory_in_arena(p) ? "no block there" : "not device memory";
    std::string name = words("%s%s buffer %u (%zu bytes)", b->freed ? "freed " : "",
                             b->kind == DEVICE_BLOCK ? "device" : "pinned", b->serial, b->bytes);
    if (at < b->base) return words("%td bytes before ", b->base - at) + name;
    if (at >= b->base + b->bytes)
        return words("%td bytes past the end of ", at - (b->base + b->bytes)) + name;
    return words("byte %td of ", at - b->base) + name;
}

static void check_canary(const struct block *b, const char *after)
{
    const char *end = b->first + b->whole;
    const char *left = std::max(b->first, b->base - ALIGN);
    const char *bad = first_spoilt(b->base + b->bytes, end);
    if (!bad) bad = first_spoilt(left, b->base);
    if (!bad) return;
    fault_record("written past its bounds, found after %s: %s", after,
                 memory_describe(bad).c_str());
    paint(b->base + b->bytes, b->first + b->whole);
    paint(b->first, b->base);
}

void memory_check_canaries(const char *after)
{
    memory_open();
    for (const struct block *b : living) check_canary(b, after);
    memory_close();
}

/* --- taking ---------------------------------------------------------------------------------- */

static void quarantine_block(struct block *b)
{
    if (b->kind == DEVICE_BLOCK) devices[b->device].bytes -= up(b->bytes, ALIGN);
    b->freed = true;
    race_forget(b);
    madvise(b->first, b->whole, MADV_DONTNEED);
    mprotect(b->first, b->whole, PROT_NONE);
    living.erase(std::find(living.begin(), living.end(), b));
    quarantine.push_back(b);
}

cudaError_t memory_free(enum block_kind kind, void *p, const char *call)
{
    struct block *b = const_cast<struct block *>(memory_find(p));
    if (b && b->base == p && b->kind == kind && !b->freed) {
        memory_open();
        check_canary(b, call);
        memory_close();
        quarantine_block(b);
        return cudaSuccess;
    }
    std::string what = memory_describe(p);
    if (b && b->freed && b->base == p) fault_record("%s twice: %s", call, what.c_str());
    else
        fault_record("%s of %p, which no allocation returned: %s", call, p, what.c_str());
    return cudaErrorInvalidValue;
}

void memory_leaks(std::vector<std::string> *out)
{
    for (const struct block *b : living) out->push_back(memory_describe(b->base));
    for (const struct block *b : registered)
        out->push_back(words("registered memory at %p", (void *)b->base));
}

void cuda_host_free_all(void)
{
    while (!living.empty()) quarantine_block(living.back());
    for (struct block *b : registered) delete b;
    registered.clear();
}

/* --- who may touch it ------------------------------------------------------------------------ */

static void protect_all(int access)
{
    for (const struct block *b : living)
        if (closes(b)) mprotect(b->first, b->whole, access);
}

void memory_open(void)
{
    if (open_depth++ == 0) protect_all(PROT_READ | PROT_WRITE);
}

void memory_close(void)
{
    if (--open_depth == 0 && living.size() <= MOST_TO_CLOSE) protect_all(PROT_NONE);
}

/* Runs in a signal handler, on the host's own code: it holds none of our locks. */
bool memory_forgive(const void *p)
{
    const struct block *b = memory_find(p);
    if (!b) return false;
    fault_record("host code touched device memory: %s", memory_describe(p).c_str());
    if (b->freed || b->kind != DEVICE_BLOCK || open_depth > 0) {
        fprintf(stderr, "cuda_host: host code: %s\n", memory_describe(p).c_str());
        return false; /* nothing to open */
    }
    if ((const char *)p < b->first || (const char *)p >= b->first + b->whole) return false;
    return mprotect(b->first, b->whole, PROT_READ | PROT_WRITE) == 0;
}

/* --- calls about pinned memory of the caller's own ------------------------------------------- */

cudaError_t cudaHostRegister(void *p, size_t bytes, unsigned flags)
{
    struct api_call call("cudaHostRegister");
    if (call.refused()) return call.error;
    (void)flags;
    if (!p || bytes == 0) return call.end(cudaErrorInvalidValue);
    if (memory_is_pinned(p)) return call.end(cudaErrorHostMemoryAlreadyRegistered);
    registered.push_back(new block{(char *)p, bytes, (char *)p, bytes, PINNED_BLOCK,
                                   current_device(), true, false, ++serials});
    return call.end(cudaSuccess);
}

cudaError_t cudaHostUnregister(void *p)
{
    struct api_call call("cudaHostUnregister");
    if (call.refused()) return call.error;
    for (size_t i = 0; i < registered.size(); i++) {
        if (registered[i]->base != p) continue;
        delete registered[i];
        registered.erase(registered.begin() + (long)i);
        return call.end(cudaSuccess);
    }
    return call.end(cudaErrorHostMemoryNotRegistered);
}
