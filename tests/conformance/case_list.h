/* case_list.h - the cases of the suite: found in folders, matched with excluded.txt, and what
 * became of them.
 *
 * Layer:   tests; part of node_suite.c.
 * Ownership: everything lives in the suite's arena until suite_free.
 * Threads: one. */
#ifndef SYN_TESTS_CASE_LIST_H
#define SYN_TESTS_CASE_LIST_H

#include "kernels/base/alloc.h"
#include "kernels/base/arena.h"
#include "kernels/base/status.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum case_class { CASE_COMPARED, CASE_OUT, CASE_RANDOM, CASE_NEAR, CASE_FAILS };
enum case_state { CASE_NOT_RUN, CASE_PASSED, CASE_NEARLY, CASE_FAILED };

struct suite_case {
    const char *name; /* "node/test_abs" */
    const char *path; /* of its folder */
    const char *reason; /* of its class; NULL for CASE_COMPARED */
    int set;
    enum case_class class;
    enum case_state state;
    bool again; /* an earlier set has this name too */
};

struct suite_exclusion {
    const char *name, *reason;
    enum case_class class;
};

struct suite {
    struct suite_case *item; /* n, sorted within each set */
    struct suite_exclusion *excluded;
    const char *root[4];
    int n, n_excluded, n_roots;
    struct syn_arena arena;
};

static const char *const suite_kinds[] = {"node", "simple", "pytorch-converted",
                                          "pytorch-operator"};
#define SUITE_KINDS ((int)(sizeof suite_kinds / sizeof *suite_kinds))

static inline void suite_free(struct suite *s)
{
    syn_free(s->item);
    syn_free(s->excluded);
    syn_arena_deinit(&s->arena);
}

/* ---- excluded.txt ---------------------------------------------------------------------------- */

static inline syn_status suite_read_line(struct suite *s, char *line, int number, const char *path,
                                  struct syn_err *err)
{
    static const struct {
        const char *word;
        enum case_class class;
    } classes[] = {{"out: ", CASE_OUT},
                   {"random: ", CASE_RANDOM},
                   {"near: ", CASE_NEAR},
                   {"fails: ", CASE_FAILS}};
    char *tab = strchr(line, '\t');
    struct suite_exclusion e = {.class = CASE_COMPARED};
    line[strcspn(line, "\n")] = 0;
    if (line[0] == '#' || !line[0]) return SYN_OK;
    for (size_t i = 0; tab && i < sizeof classes / sizeof *classes; i++)
        if (!strncmp(tab + 1, classes[i].word, strlen(classes[i].word)))
            e.class = classes[i].class;
    if (e.class == CASE_COMPARED)
        return syn_fail(err, SYN_INVALID,
                        "%s, line %d: must be KIND/NAME<tab>out|random|near|fails: REASON",
                        path, number);
    *tab = 0;
    e.name = syn_arena_strdup(&s->arena, line);
    e.reason = syn_arena_strdup(&s->arena, tab + 1);
    struct suite_exclusion *grown =
        syn_realloc(s->excluded, (size_t)s->n_excluded + 1, sizeof *grown);
    if (grown) s->excluded = grown;
    if (!e.name || !e.reason || !grown) return syn_fail(err, SYN_NO_MEMORY, "no memory");
    s->excluded[s->n_excluded++] = e;
    return SYN_OK;
}

static inline syn_status suite_read_excluded(struct suite *s, const char *path, struct syn_err *err)
{
    char line[1024];
    int number = 0;
    syn_status st = SYN_OK;
    FILE *f = fopen(path, "r");
    if (!f) return syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
    while (st == SYN_OK && fgets(line, sizeof line, f))
        st = suite_read_line(s, line, ++number, path, err);
    fclose(f);
    return st;
}

/* ---- folders --------------------------------------------------------------------------------- */

static inline int suite_by_name(const void *a, const void *b)
{
    return strcmp(((const struct suite_case *)a)->name, ((const struct suite_case *)b)->name);
}

static inline bool suite_wanted(const char *name, const char *const *only, int n_only)
{
    for (int i = 0; i < n_only; i++)
        if (strpbrk(only[i], "*?[") ? !fnmatch(only[i], name, 0) : !!strstr(name, only[i]))
            return true;
    return n_only == 0;
}

static inline syn_status suite_add_case(struct suite *s, const char *root, const char *name,
                                        int n_before, struct syn_err *err)
{
    char path[PATH_MAX], model[PATH_MAX + 16];
    struct stat at;
    snprintf(path, sizeof path, "%s/%s", root, name);
    snprintf(model, sizeof model, "%s/model.onnx", path);
    if (stat(model, &at) || !S_ISREG(at.st_mode)) return SYN_OK;
    struct suite_case *grown = syn_realloc(s->item, (size_t)s->n + 1, sizeof *grown);
    if (grown) s->item = grown;
    struct suite_case c = {.name = syn_arena_strdup(&s->arena, name),
                           .path = syn_arena_strdup(&s->arena, path),
                           .set = s->n_roots};
    if (!grown || !c.name || !c.path) return syn_fail(err, SYN_NO_MEMORY, "no memory");
    for (int i = 0; i < n_before; i++)
        if (!strcmp(s->item[i].name, c.name)) c.again = true;
    for (int i = 0; i < s->n_excluded; i++)
        if (!strcmp(s->excluded[i].name, c.name))
            c.class = s->excluded[i].class, c.reason = s->excluded[i].reason;
    s->item[s->n++] = c;
    return SYN_OK;
}

/* Adds the cases below root that one of the patterns (or no pattern) asks for. SYN_NOT_FOUND when
 * there is no such folder. */
static inline syn_status suite_add_set(struct suite *s, const char *root, const char *const *only,
                                int n_only, struct syn_err *err)
{
    const int n_before = s->n;
    bool found = false;
    syn_status st = SYN_OK;
    for (int k = 0; k < SUITE_KINDS && st == SYN_OK; k++) {
        char folder[PATH_MAX];
        snprintf(folder, sizeof folder, "%s/%s", root, suite_kinds[k]);
        DIR *d = opendir(folder);
        if (!d) continue;
        found = true;
        for (struct dirent *entry; st == SYN_OK && (entry = readdir(d));) {
            char name[sizeof entry->d_name + 32];
            snprintf(name, sizeof name, "%s/%s", suite_kinds[k], entry->d_name);
            if (entry->d_name[0] != '.' && suite_wanted(name, only, n_only))
                st = suite_add_case(s, root, name, n_before, err);
        }
        closedir(d);
    }
    if (st == SYN_OK && !found)
        return syn_fail(err, SYN_NOT_FOUND, "%s: no folder of cases (install libonnx-testdata)",
                        root);
    if (s->n > n_before)
        qsort(s->item + n_before, (size_t)(s->n - n_before), sizeof *s->item, suite_by_name);
    s->root[s->n_roots++] = root;
    return st;
}

static inline void suite_list(const struct suite *s)
{
    for (int i = 0; i < s->n; i++)
        printf("%s\t%s\n", s->item[i].path, s->item[i].reason ? s->item[i].reason : "");
}

/* ---- results --------------------------------------------------------------------------------- */

static inline void suite_record(struct suite *s, int index, enum case_state state,
                                const char *text)
{
    struct suite_case *c = &s->item[index];
    const bool listed = c->class == CASE_FAILS, good = state == CASE_PASSED;
    c->state = state;
    if (listed && good)
        printf("failed: %s: passes now, but is listed as \"%s\"\n", c->path, c->reason);
    else if (!good)
        printf("%s: %s: %s\n", listed || state == CASE_NEARLY ? "known" : "failed", c->path, text);
}

struct suite_figures {
    int passed, failed, out, random, known;
};

/* Adds up the cases of one set and kind (kind NULL: all of them); fresh: only names that no earlier
 * set has. */
static inline struct suite_figures suite_figures(const struct suite *s, int set, const char *kind,
                                          bool fresh)
{
    struct suite_figures f = {0};
    for (int i = 0; i < s->n; i++) {
        const struct suite_case *c = &s->item[i];
        const size_t n = kind ? strlen(kind) : 0;
        if (c->set != set || (fresh && c->again)) continue;
        if (kind && (strncmp(c->name, kind, n) || c->name[n] != '/')) continue;
        const bool good = c->state == CASE_PASSED;
        if (c->class == CASE_OUT) f.out++;
        else if (c->class == CASE_FAILS) *(good ? &f.failed : &f.known) += 1;
        else if (c->state == CASE_NEARLY) f.known++;
        else if (!good) f.failed++;
        else if (c->class == CASE_RANDOM) f.random++;
        else f.passed++;
    }
    return f;
}

/* All sets and kinds. */
static inline struct suite_figures suite_sum(const struct suite *s)
{
    struct suite_figures sum = {0};
    for (int set = 0; set < s->n_roots; set++) {
        const struct suite_figures f = suite_figures(s, set, NULL, false);
        sum.passed += f.passed, sum.failed += f.failed, sum.out += f.out;
        sum.random += f.random, sum.known += f.known;
    }
    return sum;
}

static inline void suite_line(const char *root, const char *what, const struct suite_figures *f)
{
    const int scope = f->passed + f->failed + f->known + f->random;
    if (scope + f->out == 0) return;
    printf("%s %s: %d of %d in scope passed, %d failed, %d known to fail, %d random, %d out of "
           "scope\n",
           root, what, f->passed, scope, f->failed, f->known, f->random, f->out);
}

/* Prints the figures; true when nothing failed and something passed. */
static inline bool suite_report(const struct suite *s)
{
    const struct suite_figures sum = suite_sum(s);
    for (int set = 0; set < s->n_roots; set++) {
        for (int k = 0; k < SUITE_KINDS; k++) {
            const struct suite_figures f = suite_figures(s, set, suite_kinds[k], false);
            suite_line(s->root[set], suite_kinds[k], &f);
        }
        const struct suite_figures f = suite_figures(s, set, "node", true);
        if (set > 0) suite_line(s->root[set], "node, names of its own", &f);
    }
    printf("%d passed, %d failed, %d skipped\n", sum.passed, sum.failed,
           sum.out + sum.random + sum.known);
    return sum.failed == 0 && sum.passed > 0;
}

#endif
