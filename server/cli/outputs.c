/* outputs.c - see outputs.h. */
#include "server/cli/outputs.h"
#include "kernels/base/alloc.h"
#include "server/cli/paths.h"
#include "server/pipelines/kinds.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One file: always of kinds with one output, else by its name. */
static bool is_file(const struct syn_words *w)
{
    const struct syn_kind *kind = syn_kinds_find(w->kind);
    const size_t n = strlen(w->out);
    if (!kind || !kind->many_outputs) return true;
    return strcmp(w->out, "-") == 0 || (n > 4 && strcmp(w->out + n - 4, ".npy") == 0);
}

syn_status syn_outputs_prepare(const struct syn_words *w, int32_t n, struct syn_err *err)
{
    if (!is_file(w)) return syn_path_make(w->out, 0755, err);
    if (n == 1) return SYN_OK;
    return syn_fail(err, SYN_INVALID,
                    "--out = \"%.80s\": there are %" PRId32
                    " outputs; name a folder, or one output by --set outputs=NAME",
                    w->out, n);
}

/* NAME.npy with what may stand in a file name; the index keeps two of one name apart. */
char *syn_outputs_path(const struct syn_words *w, int32_t i, const char *name)
{
    char file[160];
    size_t n = 0;
    bool plain = name[0] != '.';
    if (is_file(w)) return syn_strdup(w->out);
    for (; name[n] && n < 120; n++) {
        const char c = name[n];
        const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        file[n] = ok ? c : '_';
        plain = plain && ok;
    }
    plain = plain && !name[n] && n > 0;
    if (plain)
        snprintf(file + n, sizeof file - n, ".npy");
    else
        snprintf(file + n, sizeof file - n, "-%" PRId32 ".npy", i);
    if (file[0] == '.') file[0] = '_';
    return syn_path_join(w->out, file);
}
