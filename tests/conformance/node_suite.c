/* node_suite.c - runs ONNX's backend test cases through the engine and compares what comes out.
 *
 *   node_suite [--set DIR]... [--excluded FILE] [--device cpu|ref] [--threads N]
 *              [--passes-off | --each-pass-off] [--only PATTERN]... [--list] [--seconds N]
 *
 * DIR holds KIND/NAME/model.onnx and KIND/NAME/test_data_set_N/{input,output}_N.pb. Without --set:
 * the folder of Debian's libonnx-testdata. A case of a later set whose KIND/NAME an earlier set has
 * too runs as well, and is counted apart. PATTERN is a glob, or a part of KIND/NAME.
 *
 * FILE names cases, a line each, "KIND/NAME<tab>CLASS: REASON":
 *   out     not run, skipped
 *   random  run; outputs compared in type and shape alone; skipped unless that fails
 *   near    run; skipped when only a wider tolerance holds (COMPARE_NEAR_ATOL, COMPARE_NEAR_RTOL)
 *   fails   run; skipped while it fails, and a failure once it passes: the line must go
 *
 * --passes-off runs without any rewrite pass. --each-pass-off runs all cases once per pass, without
 * that one, and counts passes instead of cases.
 *
 * Prints each failing case with its first difference, a line of figures for each set and kind, and
 * closes with "N passed, N failed, N skipped".
 * Exit codes: 0, 1 when a case failed or none passed, 2 bad usage, 3 cannot start.
 *
 * Processes: the cases run in a child, so that one that crashes or takes longer than --seconds is
 *          that case's failure; the child is started again with the next. */
#include "kernels/base/alloc.h"
#include "kernels/base/arena.h"
#include "tests/conformance/case_data.h"
#include "tests/conformance/case_list.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_SET "/usr/share/libonnx-testdata/data"
#define MAX_SETS 4
#define MAX_PATTERNS 64

struct args {
    const char *set[MAX_SETS], *only[MAX_PATTERNS], *excluded, *device;
    int n_sets, n_only;
    int32_t threads;
    unsigned passes_off;
    int seconds;
    bool list, each_pass;
};

static bool parse_count(const char *text, long lo, long hi, long *out)
{
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return !errno && end != text && !*end && *out >= lo && *out <= hi;
}

static bool parse_args(int argc, char **argv, struct args *a)
{
    *a = (struct args){.excluded = "tests/conformance/excluded.txt",
                       .device = "cpu",
                       .seconds = 60};
    for (int i = 1; i < argc; i++) {
        const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        long n = 0;
        if (!strcmp(key, "--passes-off")) a->passes_off = SYN_PASS_ALL;
        else if (!strcmp(key, "--each-pass-off")) a->each_pass = true;
        else if (!strcmp(key, "--list")) a->list = true;
        else if (!value) return false;
        else if (!strcmp(key, "--set") && a->n_sets < MAX_SETS) a->set[a->n_sets++] = value, i++;
        else if (!strcmp(key, "--only") && a->n_only < MAX_PATTERNS)
            a->only[a->n_only++] = value, i++;
        else if (!strcmp(key, "--excluded")) a->excluded = value, i++;
        else if (!strcmp(key, "--device")) a->device = value, i++;
        else if (!strcmp(key, "--threads") && parse_count(value, 0, 1024, &n))
            a->threads = (int32_t)n, i++;
        else if (!strcmp(key, "--seconds") && parse_count(value, 1, 3600, &n))
            a->seconds = (int)n, i++;
        else return false;
    }
    if (!a->n_sets) a->set[a->n_sets++] = SYSTEM_SET;
    return true;
}

/* ---- one case -------------------------------------------------------------------------------- */

/* Two ways in which the data of onnx 1.12 and older contradict its models. bfloat16 is written as
 * its bits, in uint16: the model says what they are. CastLike's second operand, of which only the
 * type counts, is one element where the model states [3, 4]: the element is repeated. */
static syn_status mend_value(const struct syn_io *io, struct syn_tensor *t, struct syn_err *err)
{
    int64_t have = 0, want = 0;
    if (io->dtype == SYN_BF16 && t->dtype == SYN_U16) t->dtype = SYN_BF16;
    if (io->dtype != t->dtype || io->shape.rank < 1 || !syn_shape_elements(&io->shape, &want) ||
        !syn_shape_elements(&t->shape, &have) || have != 1 || want <= 1)
        return SYN_OK;
    const size_t size = syn_dtype_bytes(t->dtype);
    char *data = syn_calloc((size_t)want, size);
    if (!data) return syn_fail(err, SYN_NO_MEMORY, "no memory for %s", io->name);
    for (int64_t i = 0; i < want; i++) memcpy(data + (size_t)i * size, t->data, size);
    syn_free(t->data);
    *t = (struct syn_tensor){.shape = io->shape, .dtype = t->dtype, .data = data};
    return SYN_OK;
}

static syn_status mend_data(const struct syn_model *m, struct case_data *d, struct syn_err *err)
{
    struct syn_io io;
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < d->n_in && st == SYN_OK; i++) {
        syn_model_input(m, i, &io);
        st = mend_value(&io, &d->in[i], err);
    }
    for (int32_t i = 0; i < d->n_out; i++) {
        syn_model_output(m, i, &io);
        if (io.dtype == SYN_BF16 && d->out[i].dtype == SYN_U16) d->out[i].dtype = SYN_BF16;
    }
    return st;
}

/* CASE_NEARLY: only within the wider tolerance that excluded.txt grants this case. */
static enum case_state compare(const struct suite_case *c, const struct syn_tensor *got,
                               const struct syn_tensor *want, char *text, size_t size)
{
    char more[400];
    if (c->class == CASE_RANDOM)
        return compare_form(got, want, text, size) ? CASE_PASSED : CASE_FAILED;
    if (compare_tensors(got, want, COMPARE_RTOL, COMPARE_ATOL, text, size)) return CASE_PASSED;
    return c->class == CASE_NEAR &&
                   compare_tensors(got, want, COMPARE_NEAR_RTOL(want->dtype), COMPARE_NEAR_ATOL,
                                   more, sizeof more)
               ? CASE_NEARLY
               : CASE_FAILED;
}

/* Runs one data set; unless it passed, text says what did not come out as expected. */
static enum case_state run_data(struct syn_model *m, const struct suite_case *c, int data_set,
                                char *text, size_t size)
{
    struct case_data d = {.n_in = 0};
    struct syn_tensor got[CASE_MAX_VALUES] = {{.data = NULL}};
    const struct syn_run_opts opts = {.precision = SYN_PRECISION_F32};
    struct syn_err err = {""};
    struct syn_model_info info;
    enum case_state state = CASE_FAILED;
    syn_model_info(m, &info);
    syn_status st = case_data_read(c->path, data_set, &d, &err);
    if (st == SYN_OK && (info.n_inputs != d.n_in || info.n_outputs != d.n_out))
        st = syn_fail(&err, SYN_INVALID, "%d inputs and %d outputs, not %d and %d",
                      (int)info.n_inputs, (int)info.n_outputs, (int)d.n_in, (int)d.n_out);
    if (st == SYN_OK) st = mend_data(m, &d, &err);
    if (st == SYN_OK) st = syn_model_run(m, d.in, got, &opts, &err);
    if (st != SYN_OK) {
        snprintf(text, size, "%s: %s", syn_status_word(st), err.text);
        goto done;
    }
    state = CASE_PASSED;
    for (int32_t i = 0; i < d.n_out && state != CASE_FAILED; i++) {
        char why[400];
        const enum case_state this = compare(c, &got[i], &d.out[i], why, sizeof why);
        if (this == CASE_PASSED) continue;
        state = this;
        snprintf(text, size, "output %d: %s", (int)i, why);
    }
done:
    for (int32_t i = 0; i < d.n_out; i++) syn_free(got[i].data);
    case_data_free(&d);
    return state;
}

static enum case_state run_case(struct syn_engine *e, const struct args *a,
                                const struct suite_case *c, char *text, size_t size)
{
    char path[PATH_MAX];
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    const struct syn_model_opts opts = {.passes_off = a->passes_off};
    const struct syn_model_source source = {.format = "onnx", .graph_path = path};
    enum case_state state = CASE_PASSED;
    int n = 0;
    snprintf(path, sizeof path, "%s/model.onnx", c->path);
    const syn_status st = syn_model_open(e, &source, &opts, &m, &err);
    if (st != SYN_OK) {
        snprintf(text, size, "open: %s: %s", syn_status_word(st), err.text);
        return CASE_FAILED;
    }
    while (state == CASE_PASSED && case_data_exists(c->path, n))
        state = run_data(m, c, n++, text, size);
    if (n == 0) {
        snprintf(text, size, "no test_data_set_0");
        state = CASE_FAILED;
    }
    syn_model_close(m);
    return state;
}

/* ---- the child ------------------------------------------------------------------------------- */

/* One line on the pipe: index, state, text without line ends. */
static bool send_result(int fd, int index, enum case_state state, char *text)
{
    char line[1200];
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r') *p = ' ';
    const int n = snprintf(line, sizeof line, "%d %d %.1000s\n", index, (int)state, text);
    return n > 0 && write(fd, line, (size_t)n) == n;
}

static int child(const struct args *a, const struct suite *s, int from, int fd)
{
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    const struct syn_engine_opts opts = {
        .device = a->device, .threads = a->threads, .precision = SYN_PRECISION_F32};
    if (syn_engine_open(&opts, &e, &err) != SYN_OK) {
        fprintf(stderr, "node_suite: %s\n", err.text);
        return 3;
    }
    for (int i = from; i < s->n; i++) {
        char text[1001] = "";
        if (s->item[i].class == CASE_OUT) continue;
        const enum case_state state = run_case(e, a, &s->item[i], text, sizeof text);
        if (!send_result(fd, i, state, text)) return 3;
    }
    syn_engine_close(e);
    return 0;
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* The next whole line of the child into line[size]; false at its end or after so many seconds. */
static bool next_line(int fd, int seconds, char *held, size_t size, size_t *n_held, char *line,
                      bool *late)
{
    for (;;) {
        char *end = memchr(held, '\n', *n_held);
        if (end) {
            const size_t n = (size_t)(end - held);
            memcpy(line, held, n);
            line[n] = 0;
            *n_held -= n + 1;
            memmove(held, end + 1, *n_held);
            return true;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const int ready = poll(&p, 1, seconds * 1000);
        if (ready < 0 && errno == EINTR) continue;
        *late = ready == 0;
        if (ready <= 0 || *n_held == size) return false;
        const ssize_t got = read(fd, held + *n_held, size - *n_held);
        if (got <= 0) return false;
        *n_held += (size_t)got;
    }
}

static void take_line(struct suite *s, const char *line, int *next)
{
    int index = -1, state = -1, used = 0;
    if (sscanf(line, "%d %d %n", &index, &state, &used) < 2 || index < *next || index >= s->n ||
        state < CASE_PASSED || state > CASE_FAILED)
        return;
    suite_record(s, index, (enum case_state)state, used ? line + used : "");
    *next = index + 1;
}

static int next_to_run(const struct suite *s, int from)
{
    while (from < s->n && s->item[from].class == CASE_OUT) from++;
    return from;
}

/* What became of the child, for the case that it did not finish. */
static void say_end(int status, bool late, int seconds, char *text, size_t size)
{
    if (late) snprintf(text, size, "took longer than %d s", seconds);
    else if (WIFSIGNALED(status))
        snprintf(text, size, "crashed: %s", strsignal(WTERMSIG(status)));
    else snprintf(text, size, "the process ended with exit code %d", WEXITSTATUS(status));
}

/* One child, from case *next on; false when it could not start. *clean becomes false when it ran
 * all cases and then did not end well (a leak under AddressSanitizer). */
static bool run_child(const struct args *a, struct suite *s, int *next, bool *clean)
{
    char held[4096], line[4097], text[128];
    size_t n_held = 0;
    int fd[2], status = 0;
    bool late = false;
    fflush(stdout);
    if (pipe(fd)) return false;
    const pid_t pid = fork();
    if (pid < 0) return close(fd[0]), close(fd[1]), false;
    if (pid == 0) {
        close(fd[0]);
        exit(child(a, s, *next, fd[1])); /* not _exit: leaks are looked for on the way */
    }
    close(fd[1]);
    while (next_line(fd[0], a->seconds, held, sizeof held, &n_held, line, &late))
        take_line(s, line, next);
    if (late) kill(pid, SIGKILL);
    close(fd[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3 && !late) return false;
    *next = next_to_run(s, *next);
    say_end(status, late, a->seconds, text, sizeof text);
    if (*next == s->n && (late || status != 0)) {
        printf("failed: after the last case: %s\n", text);
        *clean = false;
    }
    if (*next < s->n) {
        suite_record(s, *next, CASE_FAILED, text);
        *next = next_to_run(s, *next + 1);
    }
    return true;
}

/* Every case; false when a child could not start. */
static bool run_all(const struct args *a, struct suite *s, bool *clean)
{
    for (int i = 0; i < s->n; i++) s->item[i].state = CASE_NOT_RUN;
    for (int next = next_to_run(s, 0); next < s->n;)
        if (!run_child(a, s, &next, clean)) return false;
    return true;
}

/* Exit code. */
static int run_once(const struct args *a, struct suite *s)
{
    bool clean = true;
    if (!run_all(a, s, &clean)) return 3;
    return suite_report(s) && clean ? 0 : 1;
}

/* Exit code. One check per pass: without it, every case comes out as with it. */
static int run_each_pass(const struct args *a, struct suite *s)
{
    int passed = 0, failed = 0;
    for (unsigned bit = 1; bit & SYN_PASS_ALL; bit <<= 1) {
        struct args one = *a;
        struct suite_figures f;
        bool clean = true;
        one.passes_off = bit;
        if (!run_all(&one, s, &clean)) return 3;
        f = suite_sum(s);
        const bool good = clean && f.failed == 0 && f.passed > 0;
        if (!good) printf("failed: without pass %#x: %d cases\n", bit, f.failed);
        *(good ? &passed : &failed) += 1;
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed || !passed;
}

int main(int argc, char **argv)
{
    struct args a;
    struct suite s = {.n = 0};
    struct syn_err err = {""};
    int rc = 0;
    if (!parse_args(argc, argv, &a)) {
        fprintf(stderr, "usage: node_suite [--set DIR]... [--excluded FILE] [--device cpu|ref] "
                        "[--threads N] [--passes-off | --each-pass-off] [--only PATTERN]... "
                        "[--list] [--seconds N]\n");
        return 2;
    }
    syn_status st = suite_read_excluded(&s, a.excluded, &err);
    for (int i = 0; st == SYN_OK && i < a.n_sets; i++)
        st = suite_add_set(&s, a.set[i], a.only, a.n_only, &err);
    if (st == SYN_OK && s.n == 0)
        st = syn_fail(&err, SYN_NOT_FOUND, "%s: no case there that --only asks for", a.set[0]);
    if (st != SYN_OK) {
        fprintf(stderr, "node_suite: %s\n", err.text);
        suite_free(&s);
        return 3;
    }
    if (a.list) suite_list(&s);
    else rc = a.each_pass ? run_each_pass(&a, &s) : run_once(&a, &s);
    suite_free(&s);
    return rc;
}
