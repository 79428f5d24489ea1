/* words.c - see words.h. */
#include "server/cli/words.h"
#include "kernels/base/alloc.h"
#include "server/jobs/params.h"
#include <stdio.h>
#include <string.h>

static int split_input(struct syn_words *w, const struct syn_usage *usage)
{
    const struct syn_kind *kind = syn_kinds_find_run(w->kind);
    const char *word, *equals;
    if (!kind) return syn_complain(SYN_EXIT_USAGE, "KIND = \"%.40s\": unknown", w->kind);
    if (w->in.n != kind->n_inputs)
        return syn_complain(SYN_EXIT_USAGE, "--in: kind %s takes %d input%s, not %d (usage: %s)",
                            kind->kind, kind->n_inputs, kind->n_inputs == 1 ? "" : "s", w->in.n,
                            usage->synopsis);
    word = w->in.item[0];
    equals = strchr(word, '=');
    if (!equals || (size_t)(equals - word) >= sizeof w->in_name)
        return syn_complain(SYN_EXIT_USAGE, "--in = \"%.80s\": must be written NAME=FILE", word);
    snprintf(w->in_name, sizeof w->in_name, "%.*s", (int)(equals - word), word);
    if (strcmp(w->in_name, kind->input[0].name) != 0)
        return syn_complain(SYN_EXIT_USAGE, "--in = \"%s\": kind %s has no such input, but \"%s\"",
                            w->in_name, kind->kind, kind->input[0].name);
    w->in_file = equals + 1;
    if (!w->in_file[0])
        return syn_complain(SYN_EXIT_USAGE, "--in: %s: a file name is missing", w->in_name);
    return -1;
}

/* Adds format=EXTENSION unless the format is said or the name has no known ending. */
static void add_format(struct syn_words *w, char *word, size_t size)
{
    const char *slash = strrchr(w->out, '/'), *dot = strrchr(slash ? slash : w->out, '.');
    for (int32_t i = 0; i < w->output_set.n; i++)
        if (strncmp(w->output_set.item[i], "format=", 7) == 0) return;
    if (!dot ||
        (syn_image_format_of(dot + 1) == SYN_IMAGE_UNKNOWN &&
         syn_sound_format_of(dot + 1) == SYN_SOUND_UNKNOWN) ||
        w->output_set.n == SYN_ARGS_MAX_LIST)
        return;
    snprintf(word, size, "format=%s", strcmp(dot + 1, "jpg") == 0 ? "jpeg" : dot + 1);
    w->output_set.item[w->output_set.n++] = word;
}

static int missing(const struct syn_words *w, const struct syn_usage *usage)
{
    const char *what = !w->model  ? "--model ID"
                       : !w->in.n ? "--in NAME=FILE"
                       : !w->out  ? "--out FILE"
                                  : NULL;
    if (!what) return -1;
    return syn_complain(SYN_EXIT_USAGE, "%s is missing (usage: %s)", what, usage->synopsis);
}

int syn_words_read(struct syn_words *w, const struct syn_usage *usage, const struct syn_arg *table,
                   int argc, char **argv)
{
    struct syn_arg_list rest = {0};
    struct syn_err err = {{0}};
    char format[32];
    int code = syn_args_parse(usage, table, argc, argv, &rest);
    if (code >= 0) return code;
    if (rest.n != 1)
        return syn_complain(SYN_EXIT_USAGE, "%s (usage: %s)",
                            rest.n ? "more than one KIND" : "KIND is missing", usage->synopsis);
    w->kind = rest.item[0];
    code = missing(w, usage);
    if (code < 0) code = split_input(w, usage);
    if (code >= 0) return code;
    if (w->json && strcmp(w->out, "-") == 0)
        return syn_complain(SYN_EXIT_USAGE,
                            "--json: not together with --out -: both write to stdout");
    if (syn_params_from_words(w->set.item, w->set.n, &w->params, &err) != SYN_OK)
        return syn_complain(SYN_EXIT_USAGE, "--set: %s", err.text);
    add_format(w, format, sizeof format);
    if (syn_params_from_words(w->output_set.item, w->output_set.n, &w->output, &err) != SYN_OK)
        return syn_complain(SYN_EXIT_USAGE, "--output: %s", err.text);
    return -1;
}

void syn_words_deinit(struct syn_words *w)
{
    syn_free(w->params);
    syn_free(w->output);
    w->params = w->output = NULL;
}
