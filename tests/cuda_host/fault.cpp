/* fault.cpp - the report of what went wrong, and the signals that stray accesses raise.
 *
 * Signals  In a kernel, SIGSEGV, SIGBUS and SIGFPE end the launch: the handler sends the fiber to
 *          `landing` at the top of its stack, and that leaves for the scheduler. In host code a
 *          touch of device memory is recorded and then allowed, so that the test can go on.
 * Lines    A fault found by its code address is looked up with addr2line, unless the environment
 *          has CUDA_HOST_LINES=0. */
#include "runtime.h"
#include "team.h"
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <ucontext.h>

static char first_fault[4000];

const char *cuda_host_fault(void) { return first_fault; }

void fault_clear(void) { first_fault[0] = 0; }

void fault_record(const char *format, ...)
{
    va_list args;
    if (first_fault[0]) return;
    va_start(args, format);
    vsnprintf(first_fault, sizeof first_fault, format, args);
    va_end(args);
    if (getenv("CUDA_HOST_LOUD")) fprintf(stderr, "cuda_host: %s\n", first_fault);
}

void host_misuse(const char *what)
{
    fprintf(stderr, "cuda_host: %s\n", what);
    abort();
}

void cuda_host_kernel_fault(cudaError_t e, const char *format, ...)
{
    char text[3000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct cuda_host_here *h = &cuda_host_here;
    if (!h->self) host_misuse(text);
    fault_record("kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s", team.kernel,
                 h->block_index.x, h->block_index.y, h->block_index.z, h->thread_index.x,
                 h->thread_index.y, h->thread_index.z, text);
    team.fault = e;
    cuda_host_here.self = nullptr;
    fiber_leave(&team.host);
}

/* --- where every thread is ------------------------------------------------------------------- */

static bool alike(const struct cuda_host_thread *a, const struct cuda_host_thread *b)
{
    return a->state == b->state && (a->state == RETURNED || a->state == FRESH ||
                                    (a->mask == b->mask && a->at.line == b->at.line));
}

size_t team_describe(char *text, size_t size)
{
    static const char *const does[] = {"has not begun", "could run", "waits in __syncthreads",
                                       "waits at named barrier", "waits for lanes", "returned"};
    size_t n = 0;
    for (unsigned i = 0, from = 0; i < team.size && n + 1 < size; i++) {
        const struct cuda_host_thread *t = &team.thread[i];
        if (i + 1 < team.size && alike(t, t + 1)) continue;
        n += (size_t)snprintf(text + n, size - n, "\n  threads %u-%u: %s", from, i,
                              does[t->state]);
        if (n + 1 < size && (t->state == NAMED || t->state == WARP))
            n += (size_t)snprintf(text + n, size - n, t->state == NAMED ? " %u" : " %#x", t->mask);
        if (n + 1 < size && t->state != RETURNED && t->state != FRESH)
            n += (size_t)snprintf(text + n, size - n, ", %s:%d", t->at.file, t->at.line);
        from = i + 1;
    }
    return n;
}

/* --- code addresses -------------------------------------------------------------------------- */

static std::string line_of(const char *module, size_t offset)
{
    char command[600], text[400] = "";
    const char *wish = getenv("CUDA_HOST_LINES");
    if (wish && !strcmp(wish, "0")) return "";
    snprintf(command, sizeof command, "addr2line -s -e '%s' %#zx 2>/dev/null", module, offset);
    FILE *f = popen(command, "r");
    if (!f) return "";
    bool got = fgets(text, sizeof text, f) != nullptr;
    pclose(f);
    text[strcspn(text, "\n")] = 0;
    return got && text[0] != '?' ? text : "";
}

std::string fault_code(const void *pc)
{
    Dl_info info;
    char text[300];
    if (!pc || !dladdr(pc, &info)) return "unknown code";
    /* A return address lies behind its call, which may be another line's first byte. */
    size_t offset = (size_t)((const char *)pc - (const char *)info.dli_fbase) - 1;
    std::string line = line_of(info.dli_fname, offset);
    if (!line.empty()) return line;
    snprintf(text, sizeof text, "%s+%#zx", info.dli_fname, offset);
    return text;
}

const char *fault_keep(const std::string &text)
{
    static char kept[4][500];
    static unsigned next;
    char *to = kept[next++ % 4];
    snprintf(to, sizeof kept[0], "%s", text.c_str());
    return to;
}

/* --- signals --------------------------------------------------------------------------------- */

static struct {
    const char *address, *pc;
    bool write;
    int signal;
} caught;

static void landing(void)
{
    const char *way = caught.write ? "write" : "read";
    const char *code = fault_keep(fault_code(caught.pc + 1));
    if (caught.signal == SIGFPE)
        cuda_host_kernel_fault(cudaErrorLaunchFailure, "integer division by zero at %s", code);
    const struct fiber *f = &cuda_host_here.self->fiber;
    if (caught.address >= f->stack - 4096 && caught.address < f->stack)
        cuda_host_kernel_fault(cudaErrorHardwareStackError, "stack overflow at %s", code);
    const char *where = fault_keep(memory_describe(caught.address));
    cuda_host_kernel_fault(cudaErrorIllegalAddress, "illegal %s of %p at %s: %s", way,
                           (const void *)caught.address, code, where);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = (ucontext_t *)context;
    const char *address = (const char *)info->si_addr;
    if (!cuda_host_here.self) {
        if (signal == SIGSEGV && memory_forgive(address)) return;
        ::signal(signal, SIG_DFL);
        return;
    }
    caught.address = address, caught.signal = signal;
#ifdef __x86_64__
    const struct fiber *f = &cuda_host_here.self->fiber; /* its frames are dead: begin at its top */
    fiber_clean(f->stack, f->size);
    caught.write = u->uc_mcontext.gregs[REG_ERR] & 2;
    caught.pc = (const char *)u->uc_mcontext.gregs[REG_RIP];
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)landing;
    u->uc_mcontext.gregs[REG_RSP] =
        (greg_t)(((uintptr_t)(f->stack + f->size) & ~(uintptr_t)15) - 8);
#else
    (void)u;
    caught.pc = nullptr;
    landing(); /* SA_NODEFER: the signal is not blocked when we leave */
#endif
}

static thread_local char *handler_stack;
static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE};

/* Once for the process; once in each thread the stack for a handler that runs on overflow. */
void fault_install_handlers(void)
{
    static bool installed;
    if (!handler_stack) {
        stack_t s = {};
        s.ss_size = 64 << 10;
        s.ss_sp = handler_stack = (char *)malloc(s.ss_size);
        if (!s.ss_sp || sigaltstack(&s, nullptr) != 0) perror("cuda_host: sigaltstack");
    }
    if (installed) return;
    installed = true;
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int s : SIGNALS) sigaction(s, &action, nullptr);
}

/* AddressSanitizer would take these signals for itself, and looks for leaks at exit. */
extern "C" const char *__asan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:detect_stack_use_after_return=0:"
           "allow_user_segv_handler=1:use_sigaltstack=0";
}

/* A kernel's own assert() ends the launch. */
extern "C" void __assert_fail(const char *condition, const char *file, unsigned line,
                              const char *function)
{
    if (cuda_host_here.self)
        cuda_host_kernel_fault(cudaErrorAssert, "%s:%u: assertion `%s' failed", file, line,
                               condition);
    fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, condition);
    abort();
}
