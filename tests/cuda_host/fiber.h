/* fiber.h - stacks that can be left and entered again; what the sanitizers must hear about it.
 *
 * Switch:  on x86-64 six registers and the stack pointer, some 5 ns; elsewhere (or with
 *          -DCUDA_HOST_UCONTEXT) getcontext and setcontext. swapcontext would do, but
 *          AddressSanitizer intercepts it and forgets the red zones of the stack it goes to.
 * Stack:   one reservation for all; a guard page below each, so that overflow faults at once.
 * Layer:   tests. */
#ifndef CUDA_HOST_FIBER_H
#define CUDA_HOST_FIBER_H

#include <cstddef>
#if !defined(__x86_64__) && !defined(CUDA_HOST_UCONTEXT)
#define CUDA_HOST_UCONTEXT
#endif
#ifdef CUDA_HOST_UCONTEXT
#include <ucontext.h>
#endif

struct fiber {
#ifdef CUDA_HOST_UCONTEXT
    ucontext_t context;
#else
    void *sp;
#endif
    char *stack; /* lowest byte; of the ordinary stack ASan tells it */
    size_t size;
    void *fake;  /* ASan's handle */
};

enum { FIBER_STACKS = 1024 };

/* Makes `f` start `main` on pooled stack `number`; main never returns. False: no memory. */
bool fiber_prepare(struct fiber *f, unsigned number, void (*main)(void));

/* Forgets ASan's red zones in memory whose frames were abandoned. */
void fiber_clean(void *from, size_t bytes);

/* Leaves `from` to be entered again by a later switch. */
void fiber_switch(struct fiber *from, struct fiber *to);

/* As fiber_switch, but the stack that is left is dead. */
[[noreturn]] void fiber_leave(struct fiber *to);

/* First call of a fiber's main; `host` is the fiber of the ordinary stack if that is where the
 * switch came from, else NULL. */
void fiber_enter(struct fiber *host);

#endif
