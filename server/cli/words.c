/* words.c - see words.h. */
#include "server/cli/words.h"
#include "kernels/base/alloc.h"
#include "server/jobs/params.h"
#include <stdio.h>
#include <string.h>

/* "NAME=FILE" apart. */
static int read_input(const char *word, struct syn_words_in *in)
{
    const char *equals = strchr(word, '=');
    if (!equals || equals == word || (size_t)(equals - word) >= sizeof in->name)
        return syn_complain(SYN_EXIT_USAGE, "--in = \"%.80s\": must be written NAME=FILE", word);
    snprintf(in->name, sizeof in->name, "%.*s", (int)(equals - word), word);
    in->file = equals + 1;
    if (!in->file[0])
        return syn_complain(SYN_EXIT_USAGE, "--in: %.80s: a file name is missing", in->name);
    return -1;
}

/* Puts one input in its place: that of the kind's input of this name, or behind the others where
 * the model names them. */
static int place_input(struct syn_words *w, const struct syn_kind *kind,
                       const struct syn_words_in *in)
{
    int32_t at = 0;
    if (kind->n_inputs == 0) {
        while (at < w->n_input && strcmp(w->input[at].name, in->name) != 0) at++;
    } else {
        while (at < kind->n_inputs && strcmp(kind->input[at].name, in->name) != 0) at++;
        if (at == kind->n_inputs)
            return syn_complain(SYN_EXIT_USAGE,
                                "--in = \"%.80s\": kind %s has no such input, but \"%s\"", in->name,
                                kind->kind, kind->input[0].name);
    }
    if (w->input[at].file)
        return syn_complain(SYN_EXIT_USAGE, "--in: %.80s is given twice", in->name);
    w->input[at] = *in;
    if (kind->n_inputs == 0) w->n_input++;
    return -1;
}

static int split_input(struct syn_words *w, const struct syn_usage *usage)
{
    const struct syn_kind *kind = syn_kinds_find(w->kind);
    int32_t most;
    if (!kind) return syn_complain(SYN_EXIT_USAGE, "KIND = \"%.40s\": unknown", w->kind);
    most = kind->n_inputs ? kind->n_inputs : SYN_WORDS_MAX_IN;
    if (w->in.n > most)
        return syn_complain(SYN_EXIT_USAGE, "--in: kind %s takes %d input%s, not %d (usage: %s)",
                            kind->kind, most, most == 1 ? "" : "s", w->in.n, usage->synopsis);
    w->n_input = kind->n_inputs;
    for (int32_t i = 0; i < w->in.n; i++) {
        struct syn_words_in in;
        int code = read_input(w->in.item[i], &in);
        if (code < 0) code = place_input(w, kind, &in);
        if (code >= 0) return code;
    }
    for (int32_t i = 0; i < kind->n_inputs; i++)
        if (kind->input[i].required && !w->input[i].file)
            return syn_complain(SYN_EXIT_USAGE, "--in: kind %s needs %s=FILE (usage: %s)",
                                kind->kind, kind->input[i].name, usage->synopsis);
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
