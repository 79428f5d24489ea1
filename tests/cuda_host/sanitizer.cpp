/* sanitizer.cpp - what instrumented code calls: our own ends of -fsanitize=thread and of UBSan.
 *
 * Why      With libtsan a race check would know OS threads, not CUDA's; with libubsan a misaligned
 *          float4 would end the process instead of the launch. The compiler's calls are enough.
 * Source   GCC's and LLVM's tsan_interface.h and ubsan_handlers.h. */
#include "runtime.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define HERE __builtin_return_address(0)

extern "C" {

/* --- -fsanitize=thread: loads and stores ----------------------------------------------------- */

void __tsan_init(void) { check_on = true; }
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}

#define ACCESS(n)                                                                             \
    void __tsan_read##n(void *p) { check_access(p, n, CUDA_HOST_READ, HERE); }                \
    void __tsan_write##n(void *p) { check_access(p, n, CUDA_HOST_WRITE, HERE); }              \
    void __tsan_unaligned_read##n(void *p) { check_access(p, n, CUDA_HOST_READ, HERE); }      \
    void __tsan_unaligned_write##n(void *p) { check_access(p, n, CUDA_HOST_WRITE, HERE); }    \
    void __tsan_volatile_read##n(void *p) { check_access(p, n, CUDA_HOST_READ, HERE); }       \
    void __tsan_volatile_write##n(void *p) { check_access(p, n, CUDA_HOST_WRITE, HERE); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void *p, unsigned long n) { check_access(p, n, CUDA_HOST_READ, HERE); }
void __tsan_write_range(void *p, unsigned long n) { check_access(p, n, CUDA_HOST_WRITE, HERE); }
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}

/* --- C++ atomics of host code ---------------------------------------------------------------- */

#define ATOMIC(n, T)                                                                           \
    T __tsan_atomic##n##_load(const volatile T *p, int) { return __atomic_load_n(p, 5); }      \
    void __tsan_atomic##n##_store(volatile T *p, T x, int) { __atomic_store_n(p, x, 5); }      \
    T __tsan_atomic##n##_exchange(volatile T *p, T x, int)                                     \
    {                                                                                          \
        return __atomic_exchange_n(p, x, 5);                                                   \
    }                                                                                          \
    T __tsan_atomic##n##_fetch_add(volatile T *p, T x, int)                                    \
    {                                                                                          \
        return __atomic_fetch_add(p, x, 5);                                                    \
    }                                                                                          \
    T __tsan_atomic##n##_fetch_sub(volatile T *p, T x, int)                                    \
    {                                                                                          \
        return __atomic_fetch_sub(p, x, 5);                                                    \
    }                                                                                          \
    T __tsan_atomic##n##_fetch_and(volatile T *p, T x, int)                                    \
    {                                                                                          \
        return __atomic_fetch_and(p, x, 5);                                                    \
    }                                                                                          \
    T __tsan_atomic##n##_fetch_or(volatile T *p, T x, int)                                     \
    {                                                                                          \
        return __atomic_fetch_or(p, x, 5);                                                     \
    }                                                                                          \
    T __tsan_atomic##n##_fetch_xor(volatile T *p, T x, int)                                    \
    {                                                                                          \
        return __atomic_fetch_xor(p, x, 5);                                                    \
    }                                                                                          \
    int __tsan_atomic##n##_compare_exchange_strong(volatile T *p, T *old, T x, int, int)       \
    {                                                                                          \
        return __atomic_compare_exchange_n(p, old, x, false, 5, 5);                            \
    }                                                                                          \
    int __tsan_atomic##n##_compare_exchange_weak(volatile T *p, T *old, T x, int, int)         \
    {                                                                                          \
        return __atomic_compare_exchange_n(p, old, x, false, 5, 5);                            \
    }
ATOMIC(8, unsigned char)
ATOMIC(16, unsigned short)
ATOMIC(32, unsigned)
ATOMIC(64, unsigned long)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(5); }
void __tsan_atomic_signal_fence(int) {}

/* --- UBSan: every handler's data begins with the place --------------------------------------- */

struct source_place {
    const char *file;
    unsigned line, column;
};

static void undefined(const void *data, cudaError_t e, const char *what, const void *p)
{
    const struct source_place *at = (const struct source_place *)data;
    char where[40] = "";
    if (p) snprintf(where, sizeof where, " (%p)", p);
    if (cuda_host_here.self)
        cuda_host_kernel_fault(e, "%s:%u: %s%s", at->file, at->line, what, where);
    fprintf(stderr, "%s:%u: runtime error: %s%s\n", at->file, at->line, what, where);
    abort();
}

void __ubsan_handle_type_mismatch_v1(void *data, void *p)
{
    unsigned char log_align;
    memcpy(&log_align, (char *)data + sizeof(struct source_place) + sizeof(void *), 1);
    if (!p) undefined(data, cudaErrorIllegalAddress, "null pointer", nullptr);
    bool aligned = ((uintptr_t)p & (((uintptr_t)1 << log_align) - 1)) == 0;
    undefined(data, aligned ? cudaErrorIllegalAddress : cudaErrorMisalignedAddress,
              aligned ? "object too small for the access" : "misaligned address", p);
}
void __ubsan_handle_type_mismatch_v1_abort(void *data, void *p)
{
    __ubsan_handle_type_mismatch_v1(data, p);
}

#define HANDLER(name, e, what)                                                               \
    void __ubsan_handle_##name(void *data) { undefined(data, e, what, nullptr); }            \
    void __ubsan_handle_##name##_abort(void *data) { undefined(data, e, what, nullptr); }
HANDLER(out_of_bounds, cudaErrorIllegalAddress, "index out of bounds of its array")
HANDLER(add_overflow, cudaErrorLaunchFailure, "signed integer overflow in +")
HANDLER(sub_overflow, cudaErrorLaunchFailure, "signed integer overflow in -")
HANDLER(mul_overflow, cudaErrorLaunchFailure, "signed integer overflow in *")
HANDLER(negate_overflow, cudaErrorLaunchFailure, "signed integer overflow in negation")
HANDLER(divrem_overflow, cudaErrorLaunchFailure, "division by zero or overflow")
HANDLER(shift_out_of_bounds, cudaErrorLaunchFailure, "shift by a wrong amount")
HANDLER(vla_bound_not_positive, cudaErrorLaunchFailure, "array of no length")
HANDLER(float_cast_overflow, cudaErrorLaunchFailure, "float out of range of the integer")
HANDLER(load_invalid_value, cudaErrorLaunchFailure, "load of an invalid bool or enum")
HANDLER(pointer_overflow, cudaErrorIllegalAddress, "pointer arithmetic wraps around")
HANDLER(nonnull_arg, cudaErrorIllegalAddress, "null argument")
HANDLER(invalid_builtin, cudaErrorLaunchFailure, "ctz or clz of zero")
HANDLER(missing_return, cudaErrorLaunchFailure, "end of a function without return")
HANDLER(builtin_unreachable, cudaErrorLaunchFailure, "unreachable code reached")

}
