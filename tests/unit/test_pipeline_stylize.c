/* test_pipeline_stylize.c - parameters of stylize: blends are normalised, what is damaged is
 * refused by name, and nothing is changed then. */
#include "server/pipelines/stylize.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

static struct syn_manifest with_styles(int32_t n)
{
    struct syn_manifest m = {.id = "toy", .n_variants = 1, .n_settings = 1};
    strcpy(m.variant[0].name, "stylize");
    strcpy(m.setting[0].name, "styles");
    m.setting[0].value = n;
    return m;
}

static struct syn_param text(const char *name, const char *s)
{
    return (struct syn_param){.name = name, .type = SYN_PARAM_STRING, .string = s};
}

static void test_blends(void)
{
    static const struct {
        const char *styles;
        float weight[4];
    } good[] = {{"{\"3\":0.5,\"1\":0.5}", {0, 0.5f, 0, 0.5f}},
                {" { \"0\" : 3 , \"2\":1 } ", {0.75f, 0, 0.25f, 0}},
                {"[1,1,1,1]", {0.25f, 0.25f, 0.25f, 0.25f}},
                {"[0, 0, 1e-3, 3e-3]", {0, 0, 0.25f, 0.75f}}};
    const struct syn_manifest m = with_styles(4);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct syn_param p = text("styles", good[i].styles);
        struct syn_stylize_params got;
        struct syn_field_errors errs = {0};
        const syn_status st = syn_stylize_params_parse(&p, 1, &m, &got, &errs);
        T_CHECK(st == SYN_OK, "%s: %s", good[i].styles, errs.item[0].detail);
        for (int32_t k = 0; st == SYN_OK && k < 4; k++)
            T_CHECK(fabsf(got.weight[k] - good[i].weight[k]) < 1e-6f, "%s: weight %d is %g",
                    good[i].styles, k, (double)got.weight[k]);
    }
}

static void test_damaged_blends(void)
{
    static const char *const bad[] = {
        "",          "3",          "{}",          "[]",          "[1,1,1]",       "[1,1,1,1,1]",
        "[1,1,1,1",  "[1,1,1,1]]", "{\"1\":1]",   "{\"4\":1}",   "{\"-1\":1}",    "{\"x\":1}",
        "{1:1}",     "{\"1\" 1}",  "{\"1\":}",    "{\"1\":1,}",  "{\"1\":-1}",    "{\"1\":inf}",
        "[0,0,0,0]", "{\"1\":nan}", "{\"1\":1,\"1\":1}", "{\"99999999999999999999\":1}", "{\"1",
        "[,1,1,1]"};
    const struct syn_manifest m = with_styles(4);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct syn_param p = text("styles", bad[i]);
        struct syn_stylize_params got = {.n_styles = 77};
        struct syn_field_errors errs = {0};
        const syn_status st = syn_stylize_params_parse(&p, 1, &m, &got, &errs);
        T_CHECK(st == SYN_INVALID && errs.n == 1, "%s: status %d, %d errors", bad[i], st, errs.n);
        T_CHECK(strcmp(errs.item[0].field, "styles") == 0, "%s: %s", bad[i], errs.item[0].field);
        T_CHECK(got.n_styles == 77, "%s: changed the parameters", bad[i]);
    }
}

/* Any beginning of a good text is refused or taken, never read beyond. */
static void test_cut_texts(void)
{
    static const char whole[] = "{\"0\":0.25, \"3\":0.75}";
    const struct syn_manifest m = with_styles(4);
    for (size_t n = 0; n < sizeof whole; n++) {
        char *cut = t_alloc(n + 1); /* of its own size: a sanitizer sees a step too far */
        memcpy(cut, whole, n);
        cut[n] = 0;
        const struct syn_param p = text("styles", cut);
        struct syn_stylize_params got;
        struct syn_field_errors errs = {0};
        const syn_status st = syn_stylize_params_parse(&p, 1, &m, &got, &errs);
        T_CHECK((st == SYN_OK) == (n == sizeof whole - 1), "\"%s\": status %d", cut, st);
        free(cut);
    }
}

static void test_defaults(void)
{
    const struct syn_manifest m = with_styles(26);
    struct syn_stylize_params got;
    struct syn_field_errors errs = {0};
    T_CHECK(syn_stylize_params_parse(NULL, 0, &m, &got, &errs) == SYN_OK, "%s",
            errs.item[0].detail);
    T_CHECK(got.weight[0] == 1 && got.weight[1] == 0 && got.n_styles == 26 && got.strength == 1,
            "first weight %g of %d", (double)got.weight[0], got.n_styles);
}

int main(void)
{
    test_blends();
    test_damaged_blends();
    test_cut_texts();
    test_defaults();
    return t_report();
}
