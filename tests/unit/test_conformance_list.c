/* test_conformance_list.c - which cases the conformance suite finds, and what counts as passed,
 * failed and skipped. */
#include "tests/conformance/case_list.h"
#include "tests/t.h"
#include <unistd.h>

static char root[] = "/tmp/synthd-case-list-XXXXXX";

static const char *in_root(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_root(name), "w");
    T_CHECK(f && fputs(text, f) >= 0, "%s", name);
    if (f) fclose(f);
}

static void make_case(const char *name)
{
    char model[256];
    mkdir(in_root(name), 0700);
    snprintf(model, sizeof model, "%s/model.onnx", name);
    write_file(model, "");
}

static void make_tree(void)
{
    static const char *const cases[] = {"a/node/test_abs", "a/node/test_draw", "a/node/test_late",
                                        "a/node/test_text", "a/simple/test_one", "b/node/test_abs",
                                        "b/node/test_new"};
    static const char *const folders[] = {"a", "a/node", "a/simple", "b", "b/node",
                                          "a/node/test_no_model", "a/other"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) mkdir(in_root(folders[i]), 0700);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) make_case(cases[i]);
    make_case("a/other/test_unknown_kind");
    write_file("excluded", "# a comment\n\nnode/test_draw\trandom: drawn\n"
                           "node/test_late\tfails: why\nnode/test_text\tout: strings\n");
}

static const struct suite_case *find(const struct suite *s, int set, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (s->item[i].set == set && !strcmp(s->item[i].name, name)) return &s->item[i];
    return NULL;
}

/* The tree's two sets, as far as the pattern asks for them. */
static void open_suite(struct suite *s, const char *pattern)
{
    static char a[PATH_MAX], b[PATH_MAX];
    struct syn_err err = {""};
    *s = (struct suite){.n = 0};
    snprintf(a, sizeof a, "%s/a", root);
    snprintf(b, sizeof b, "%s/b", root);
    T_CHECK(suite_read_excluded(s, in_root("excluded"), &err) == SYN_OK, "%s", err.text);
    T_CHECK(suite_add_set(s, a, &pattern, pattern != NULL, &err) == SYN_OK, "%s", err.text);
    T_CHECK(suite_add_set(s, b, &pattern, pattern != NULL, &err) == SYN_OK, "%s", err.text);
}

static void test_found(void)
{
    struct suite s;
    open_suite(&s, NULL);
    T_CHECK(s.n == 7, "%d cases", s.n);
    T_CHECK(!find(&s, 0, "node/test_no_model"), "no model");
    T_CHECK(!find(&s, 0, "other/test_unknown_kind"), "no kind of case");
    const struct suite_case *c = find(&s, 0, "node/test_draw");
    T_CHECK(c && c->class == CASE_RANDOM && !strcmp(c->reason, "random: drawn"), "random");
    c = find(&s, 0, "node/test_abs");
    T_CHECK(c && c->class == CASE_COMPARED && !c->again, "compared");
    c = find(&s, 1, "node/test_abs");
    T_CHECK(c && c->again, "the second set's is there again");
    c = find(&s, 1, "node/test_new");
    T_CHECK(c && !c->again, "new in the second set");
    for (int i = 1; i < 5; i++)
        T_CHECK(strcmp(s.item[i - 1].name, s.item[i].name) < 0, "sorted at %d", i);
    suite_free(&s);
}

static void test_patterns(void)
{
    struct suite s;
    open_suite(&s, "node/*");
    T_CHECK(s.n == 6, "glob: %d", s.n);
    suite_free(&s);
    open_suite(&s, "abs");
    T_CHECK(s.n == 2, "part: %d", s.n);
    suite_free(&s);
}

static void test_figures(void)
{
    struct suite s;
    open_suite(&s, NULL);
    for (int i = 0; i < s.n; i++)
        if (s.item[i].class != CASE_OUT)
            suite_record(&s, i, s.item[i].class == CASE_FAILS ? CASE_FAILED : CASE_PASSED, "text");
    struct suite_figures f = suite_figures(&s, 0, "node", false);
    T_CHECK(f.passed == 1 && f.failed == 0 && f.out == 1 && f.random == 1 && f.known == 1,
            "%d %d %d %d %d", f.passed, f.failed, f.out, f.random, f.known);
    f = suite_figures(&s, 1, "node", true);
    T_CHECK(f.passed == 1 && f.failed == 0, "only the new name: %d", f.passed);
    T_CHECK(suite_report(&s), "nothing failed");
    suite_free(&s);

    static const char *const bad[] = {"node/test_abs", "node/test_draw"};
    for (int k = 0; k < 2; k++) { /* one that fails, if compared in form alone too */
        open_suite(&s, NULL);
        for (int i = 0; i < s.n; i++)
            if (s.item[i].class != CASE_OUT)
                suite_record(&s, i,
                             s.item[i].class == CASE_FAILS || !strcmp(s.item[i].name, bad[k])
                                 ? CASE_FAILED
                                 : CASE_PASSED,
                             "meant to fail");
        T_CHECK(!suite_report(&s), "%s failed", bad[k]);
        suite_free(&s);
    }

    open_suite(&s, NULL); /* one that is listed as failing and passes */
    for (int i = 0; i < s.n; i++)
        if (s.item[i].class != CASE_OUT) suite_record(&s, i, CASE_PASSED, "");
    f = suite_figures(&s, 0, "node", false);
    T_CHECK(f.failed == 1 && f.known == 0, "passes now: %d", f.failed);
    suite_free(&s);

    open_suite(&s, NULL); /* one that is near is neither passed nor failed */
    for (int i = 0; i < s.n; i++)
        if (s.item[i].class != CASE_OUT)
            suite_record(&s, i, s.item[i].class == CASE_FAILS ? CASE_FAILED : CASE_NEARLY, "");
    f = suite_figures(&s, 1, "node", false);
    T_CHECK(f.passed == 0 && f.failed == 0 && f.known == 2, "%d %d", f.passed, f.known);
    suite_free(&s);

    open_suite(&s, NULL); /* a case that never ran is no pass */
    T_CHECK(!suite_report(&s), "nothing ran");
    suite_free(&s);
}

static void test_bad_excluded(void)
{
    static const char *const bad[] = {"node/test_abs\n", "node/test_abs out: x\n",
                                      "node/test_abs\tmaybe: x\n", "node/test_abs\tout\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct suite s = {.n = 0};
        struct syn_err err = {""};
        write_file("bad", bad[i]);
        T_CHECK(suite_read_excluded(&s, in_root("bad"), &err) == SYN_INVALID, "line: %s", bad[i]);
        T_CHECK(strstr(err.text, "line 1"), "%s", err.text);
        suite_free(&s);
    }
    struct suite s = {.n = 0};
    struct syn_err err = {""};
    T_CHECK(suite_read_excluded(&s, in_root("missing"), &err) == SYN_IO, "%s", err.text);
    T_CHECK(suite_add_set(&s, in_root("missing"), NULL, 0, &err) == SYN_NOT_FOUND, "%s", err.text);
    suite_free(&s);
}

int main(void)
{
    char command[64];
    T_CHECK(mkdtemp(root) != NULL, "%s", root);
    make_tree();
    test_found();
    test_patterns();
    test_figures();
    test_bad_excluded();
    snprintf(command, sizeof command, "rm -rf %s", root);
    T_CHECK(system(command) == 0, "%s", command);
    return t_report();
}
