/* status.h - the one error type, and where its text goes.
 *
 * Use:     return syn_fail(err, SYN_INVALID, "width = %d: must be in [1, %d]", w, max);
 * Layer:   kernels/base: libc only.
 * Threads: pure functions; a struct syn_err belongs to whoever declared it.
 * New code: one line in SYN_STATUS_LIST, one in server/http/problem.c for its HTTP number. */
#ifndef SYN_STATUS_H
#define SYN_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_MUST_CHECK __attribute__((warn_unused_result))
#define SYN_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* X(name, word a client or a log reads). From this list come the enum and syn_status_word. */
#define SYN_STATUS_LIST(X)                                                                  \
    X(OK, "ok")                                                                             \
    X(INVALID, "invalid")           /* an argument or a file's field has an illegal value */ \
    X(NOT_FOUND, "not_found")       /* no such thing */                                     \
    X(BUSY, "busy")                 /* full now; the same call may succeed later */         \
    X(CONFLICT, "conflict")         /* the thing is in a state that forbids this */         \
    X(EXPIRED, "expired")           /* it existed; retention removed it */                  \
    X(CANCELED, "canceled")         /* stopped because somebody asked */                    \
    X(TOO_LARGE, "too_large")       /* over a configured limit */                           \
    X(TRUNCATED, "truncated")       /* the bytes end too early */                           \
    X(UNSUPPORTED, "unsupported")   /* well-formed, but nothing here can do it */           \
    X(NUMERIC, "numeric_error")     /* NaN or infinity where numbers belong */              \
    X(NO_MEMORY, "out_of_memory")                                                           \
    X(IO, "io")                     /* disk or socket */                                    \
    X(DEVICE, "device_lost")        /* the accelerator failed; the process should restart */ \
    X(INTERNAL, "internal")         /* our bug */

typedef enum syn_status {
#define SYN_STATUS_ENUM(name, word) SYN_##name,
    SYN_STATUS_LIST(SYN_STATUS_ENUM)
#undef SYN_STATUS_ENUM
    SYN_STATUS_COUNT
} syn_status;

/* What went wrong, for a person: field, value, bound. Written only on failure. */
struct syn_err {
    char text[400];
};

/* Formats into err->text, cutting what does not fit, and returns st. err may be NULL. */
syn_status syn_fail(struct syn_err *err, syn_status st, const char *format, ...) SYN_PRINTF(3, 4);

/* Puts a prefix ("model.bin: ") before the text that is there and returns st. err may be NULL. */
syn_status syn_fail_in(struct syn_err *err, syn_status st, const char *format, ...)
    SYN_PRINTF(3, 4);

/* The word from the list; "unknown" for a value outside it. Static storage. */
const char *syn_status_word(syn_status st);

#ifdef __cplusplus
}
#endif
#endif
