/* runtime.h - what the runtime's own files share.
 *
 * Lock     Every API call holds the one lock (struct api_call); kernels run under it, in the
 *          thread whose call had to wait for them.
 * Layer:   tests. C++17. */
#ifndef CUDA_HOST_RUNTIME_INTERNAL_H
#define CUDA_HOST_RUNTIME_INTERNAL_H

#include "control.h"
#include "here.h"
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct thread_set;

/* --- fault.cpp ------------------------------------------------------------------------------- */

/* Keeps the first fault's text. */
__attribute__((format(printf, 1, 2))) void fault_record(const char *format, ...);
/* For errors that leave no sensible way on: says so and aborts. */
[[noreturn]] void host_misuse(const char *what);
void fault_install_handlers(void);
void fault_clear(void);
/* "function+0x12" or the like for a place in code. */
std::string fault_code(const void *pc);
/* A copy that needs no destructor: a fault leaves its frames without running any. */
const char *fault_keep(const std::string &text);

/* --- device.cpp ------------------------------------------------------------------------------ */

struct device {
    struct cuda_host_device spec;
    std::string name;
    cudaError_t sticky;
    size_t bytes, peak; /* allocated now; most since the reset */
};
extern struct device devices[CUDA_HOST_MAX_DEVICES];
extern int n_devices;
int current_device(void);

/* One per API function that can fail: takes the lock, answers sticky errors and planned failures.
 * Use: struct api_call call("cudaMalloc"); if (call.refused()) return call.error; ...
 *      return call.end(e); which keeps the error for cudaGetLastError. */
struct api_call {
    const char *name;
    cudaError_t error;
    explicit api_call(const char *name_);
    ~api_call();
    bool refused() const { return error != cudaSuccess; }
    cudaError_t end(cudaError_t e);
};
bool is_sticky(cudaError_t e);
void make_sticky(int device, cudaError_t e);

/* --- memory.cpp ------------------------------------------------------------------------------ */

enum block_kind { DEVICE_BLOCK, PINNED_BLOCK };
struct block {
    char *base;  /* what the caller has */
    size_t bytes;
    char *first; /* whole pages around it; a guard page at each end lies outside */
    size_t whole;
    enum block_kind kind;
    int device;
    bool registered; /* the caller's own memory, by cudaHostRegister */
    bool freed;
    unsigned serial; /* counts allocations since the start of the process */
};

cudaError_t memory_alloc(enum block_kind kind, size_t bytes, void **p);
cudaError_t memory_free(enum block_kind kind, void *p, const char *call);
/* The block that holds p, or lies nearest below in its pages; NULL outside all. Also freed ones. */
const struct block *memory_find(const void *p);
bool memory_in_arena(const void *p);
/* Is [p, p+bytes) inside one living block of the kind? */
bool memory_holds(enum block_kind kind, const void *p, size_t bytes);
/* Does `p` belong to a living pinned block? */
bool memory_is_pinned(const void *p);
/* "4 bytes past the end of device buffer 3 (1024 bytes)" */
std::string memory_describe(const void *p);
/* Checks the canaries of all living blocks; `after` is what ran. */
void memory_check_canaries(const char *after);
/* Host code cannot touch device memory but between these; nests. */
void memory_open(void);
void memory_close(void);
/* A fault in device memory while it is closed: opens the page's block. False: not that. */
bool memory_forgive(const void *p);
void memory_reset_failures(void);
void memory_leaks(std::vector<std::string> *out);

/* --- stream.cpp, graph.cpp ------------------------------------------------------------------- */

/* A piece of queued work. What it depends on lies in `after`. */
struct work {
    std::string what;
    std::function<void()> run; /* may be empty: events, joins */
    std::vector<std::shared_ptr<work>> after;
    bool done;
    int device;
    const void *function;       /* a kernel's */
    const CUstream_st *stream;  /* only to compare */
    unsigned long serial; /* order of issue */
    double done_ms;       /* for cudaEventElapsedTime */
};
typedef std::shared_ptr<work> work_ref;

/* Puts the work behind what is in the stream (or into its capture). *out may be NULL. */
cudaError_t stream_enqueue(cudaStream_t stream, const char *what, std::function<void()> run,
                           const void *function, work_ref *out);
/* Runs what was queued in the stream, or everything on the current device. */
void stream_finish(cudaStream_t stream);
void stream_finish_all(int device);
/* NULL, cudaStreamLegacy and living handles. */
bool stream_valid(cudaStream_t stream);
bool stream_capturing(cudaStream_t stream);
/* cudaErrorStreamCapture... if a call like cudaMalloc or a wait is not allowed now. */
cudaError_t stream_unsafe_now(void);
/* Work in the legacy stream while a blocking stream captures is an error. */
cudaError_t stream_legacy_now(void);
void stream_reset(void);
void stream_leaks(std::vector<std::string> *out);

/* --- launch.cpp ------------------------------------------------------------------------------ */
extern unsigned long launches;
/* Thue and Morse's sequence: alternates, but in no period that a loop could fall in step with. */
static inline bool turn(unsigned n) { return __builtin_popcount(n) & 1; }
extern enum cuda_host_direction direction;

/* --- check.cpp: the checker of an instrumented build; without one these return at once ------- */
extern bool check_on;
void check_block(void);   /* a block begins */
void check_barrier(void); /* all threads of the block have met */
void check_syncwarp(unsigned warp, unsigned lanes);
void check_arrive(unsigned id, unsigned thread);
void check_named(unsigned id, const struct thread_set *release, const struct thread_set *acquire);
uint32_t check_time(void);
uint32_t check_tick(void); /* a new time */
bool check_known(unsigned thread, uint32_t time); /* does the running thread know of it? */
/* An access of the running thread to shared or device memory. `pc`: where, may be NULL. */
void check_access(const void *p, size_t bytes, enum cuda_host_access how, const void *pc);
/* cp.async: the bytes at dst are undefined from issue to wait. */
void check_async(const void *dst, size_t bytes, bool begins);

/* race.cpp: the same for device memory. */
void race_launch(void);
void race_block(void);
void race_forget(const struct block *b);
void race_global(const char *p, size_t bytes, enum cuda_host_access how, const void *pc);

/* --- shared.cpp: shared memory's static variables and the dynamic part ----------------------- */
char *shared_begin(size_t dynamic_bytes); /* for a launch: the dynamic part, or NULL */
void shared_poison(void);                 /* for a block */
bool shared_check_canary(void);
struct shared_cell { /* what happened to one byte, see check.cpp */
    uint32_t write_time, read_time;
    uint32_t readers; /* lanes of one warp, or warps */
    uint16_t writer, read_warp;
    bool atomic, pending;
};
struct shared_range {
    char *from, *to;
    std::string name;
    std::vector<shared_cell> cells;
};
extern struct shared_range shared_dynamic; /* as large as asked for */
/* The variable, or the dynamic part, in which p lies; NULL if none. */
struct shared_range *shared_find(const void *p);
/* How many bytes p lies past the end of the dynamic part (negative: before its beginning);
 * PTRDIFF_MIN: it is nowhere near. */
ptrdiff_t shared_past(const void *p);
/* Variables of the program or a shared library: where __device__ and __constant__ ones lie. */
bool module_memory(const void *p, size_t bytes);

#endif
