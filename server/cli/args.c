/* args.c - see args.h. */
#include "server/cli/args.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int syn_complain(int code, const char *format, ...)
{
    va_list args;
    fputs("synthd: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

bool syn_parse_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
    char *end;
    long long v;
    if (!(text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))) return false;
    errno = 0;
    v = strtoll(text, &end, 10);
    if (errno || *end || v < min || v > max) return false;
    *out = v;
    return true;
}

static void print_help(const struct syn_usage *u, const struct syn_arg *table)
{
    printf("Usage: %s\n\n%s\n", u->synopsis, u->text);
    if (table && table->name) printf("\nOptions:\n");
    for (const struct syn_arg *a = table; a && a->name; a++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", a->name, a->word ? " " : "",
                 a->word ? a->word : "");
        printf("  %-28s %s\n", left, a->what);
    }
    printf("  %-28s %s\n", "--help", "this text");
    if (u->examples) printf("\nExamples:\n%s\n", u->examples);
}

static const struct syn_arg *find(const struct syn_arg *table, const char *name, size_t n)
{
    for (; table && table->name; table++)
        if (strlen(table->name) == n && memcmp(table->name, name, n) == 0) return table;
    return NULL;
}

/* Stores one value; -1 or the exit code. */
static int store(const struct syn_arg *a, const char *value)
{
    if (a->type == SYN_ARG_FLAG) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return syn_complain(SYN_EXIT_USAGE, "--%s = \"%s\": must be true or false", a->name,
                                value);
        *(bool *)a->value = value[0] == 't';
    } else if (a->type == SYN_ARG_TEXT) {
        *(const char **)a->value = value;
    } else if (a->type == SYN_ARG_INT) {
        if (!syn_parse_int(value, a->min, a->max, a->value))
            return syn_complain(SYN_EXIT_USAGE,
                                "--%s = \"%s\": must be a whole number in [%" PRId64 ", %" PRId64
                                "]",
                                a->name, value, a->min, a->max);
    } else {
        struct syn_arg_list *list = a->value;
        if (list->n == SYN_ARGS_MAX_LIST)
            return syn_complain(SYN_EXIT_USAGE, "--%s: given more than %d times", a->name,
                                SYN_ARGS_MAX_LIST);
        list->item[list->n++] = value;
    }
    return -1;
}

/* One "--name", "--name=value" or "--name value" at argv[*i]. */
static int take_option(const struct syn_usage *u, const struct syn_arg *table, int argc,
                       char **argv, int *i)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    const struct syn_arg *a = find(table, name, equals ? (size_t)(equals - name) : strlen(name));
    if (!a)
        return syn_complain(SYN_EXIT_USAGE, "unknown option %.*s (usage: %s; --help tells more)",
                            equals ? (int)(equals - argv[*i]) : 200, argv[*i], u->synopsis);
    if (equals) return store(a, equals + 1);
    if (a->type == SYN_ARG_FLAG) return store(a, "true");
    if (*i + 1 >= argc) return syn_complain(SYN_EXIT_USAGE, "--%s: a value is missing", a->name);
    return store(a, argv[++*i]);
}

int syn_args_parse(const struct syn_usage *usage, const struct syn_arg *table, int argc,
                   char **argv, struct syn_arg_list *rest)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            print_help(usage, table);
            return SYN_EXIT_OK;
        }
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] == '-') {
            int code = take_option(usage, table, argc, argv, &i);
            if (code >= 0) return code;
        } else if (options && word[0] == '-' && word[1]) {
            return syn_complain(SYN_EXIT_USAGE, "unknown option %s (options are written --name)",
                                word);
        } else if (!rest || rest->n == SYN_ARGS_MAX_LIST) {
            return syn_complain(SYN_EXIT_USAGE, "unexpected argument \"%s\" (usage: %s)", word,
                                usage->synopsis);
        } else {
            rest->item[rest->n++] = word;
        }
    }
    return -1;
}
