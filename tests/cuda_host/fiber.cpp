/* fiber.cpp - see fiber.h. */
#include "fiber.h"
#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define ASAN(call) call
#else
#define ASAN(call) ((void)0)
#endif

static const size_t GUARD = 4096, SIZE = 256 << 10, SLOT = GUARD + SIZE;

/* Stacks that all begin at the same place in a page would share the same cache sets. */
static size_t colour(unsigned number) { return number % 32 * 192; }

static char *stack_of(unsigned number)
{
    static char *all;
    static bool guarded[FIBER_STACKS];
    if (!all) {
        void *p = mmap(nullptr, SLOT * FIBER_STACKS, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) return nullptr;
        all = (char *)p;
    }
    char *slot = all + SLOT * number;
    if (!guarded[number]) guarded[number] = mprotect(slot, GUARD, PROT_NONE) == 0;
    return slot + GUARD;
}

#ifndef CUDA_HOST_UCONTEXT
extern "C" void cuda_host_switch(void **save, void *to);
asm(".text\n.globl cuda_host_switch\n.hidden cuda_host_switch\n"
    ".type cuda_host_switch, @function\n"
    "cuda_host_switch:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n"
    "    pushq %r13\n    pushq %r14\n    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n"
    "    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size cuda_host_switch, .-cuda_host_switch\n");
#endif

void fiber_clean(void *from, size_t bytes)
{
    (void)from, (void)bytes;
    ASAN(__asan_unpoison_memory_region(from, bytes));
}

bool fiber_prepare(struct fiber *f, unsigned number, void (*main)(void))
{
    f->stack = stack_of(number), f->size = SIZE, f->fake = nullptr;
    if (!f->stack) return false;
    fiber_clean(f->stack, SIZE);
#ifdef CUDA_HOST_UCONTEXT
    if (getcontext(&f->context) != 0) return false;
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = SIZE - colour(number);
    f->context.uc_link = nullptr;
    makecontext(&f->context, main, 0);
#else
    uintptr_t top = ((uintptr_t)f->stack + SIZE - colour(number)) & ~(uintptr_t)15;
    void **sp = (void **)top;
    *--sp = nullptr;      /* main's return address; also what makes the stack 8 short of 16 */
    *--sp = (void *)main; /* where the switch's ret goes */
    for (int i = 0; i < 6; i++) *--sp = nullptr;
    f->sp = sp;
#endif
    return true;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
    ASAN(__sanitizer_start_switch_fiber(&from->fake, to->stack, to->size));
#ifdef CUDA_HOST_UCONTEXT
    volatile bool resumed = false; /* getcontext returns again when someone enters `from` */
    getcontext(&from->context);
    if (!resumed) {
        resumed = true;
        setcontext(&to->context);
    }
#else
    cuda_host_switch(&from->sp, to->sp);
#endif
    ASAN(__sanitizer_finish_switch_fiber(from->fake, nullptr, nullptr));
}

void fiber_leave(struct fiber *to)
{
    ASAN(__sanitizer_start_switch_fiber(nullptr, to->stack, to->size));
#ifdef CUDA_HOST_UCONTEXT
    setcontext(&to->context);
#else
    void *nowhere;
    cuda_host_switch(&nowhere, to->sp);
#endif
    abort(); /* not reached */
}

void fiber_enter(struct fiber *host)
{
    (void)host;
    ASAN(__sanitizer_finish_switch_fiber(nullptr, host ? (const void **)&host->stack : nullptr,
                                         host ? &host->size : nullptr));
}
