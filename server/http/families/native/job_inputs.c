/* job_inputs.c - inputs of a job: blob ids, data URIs, base64, files of a form; looked at by their
 * headers, so that a hostile or unsupported file never becomes a job. See job_spec.h. */
#include "kernels/base/alloc.h"
#include "server/http/datauri.h"
#include "server/http/families/native/job_spec.h"
#include "server/http/json.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct syn_kind_input *kind_input(const struct syn_kind *k, const char *name)
{
    for (int32_t i = 0; i < k->n_inputs; i++)
        if (!strcmp(k->input[i].name, name)) return &k->input[i];
    return NULL;
}

struct syn_spec_input *syn_spec_input(struct syn_job_spec *s, const char *name)
{
    for (int32_t i = 0; i < s->n_inputs; i++)
        if (!strcmp(s->input[i].name, name)) return &s->input[i];
    return NULL;
}

/* Names go into JSON again; those of a form's parts are bytes. */
static bool name_ok(const char *name)
{
    const size_t n = strlen(name);
    json_t *text = n && n <= SYN_MAX_JOB_NAME ? json_string(name) : NULL;
    const bool ok = text != NULL;
    json_decref(text);
    return ok;
}

/* A new input of that name; NULL: an error was added. */
static struct syn_spec_input *add_input(struct syn_job_spec *s, const char *name,
                                        const char *pointer)
{
    struct syn_spec_input *in;
    if (s->kind && s->kind->n_inputs && !kind_input(s->kind, name)) {
        syn_problem_add(&s->p, pointer, SYN_CODE_unknown_field, "kind %s has no input of this name",
                        s->kind->kind);
        return NULL;
    }
    if (syn_spec_input(s, name)) {
        syn_problem_add(&s->p, pointer, SYN_CODE_duplicate_field,
                        "given twice: as a part of the form and in inputs");
        return NULL;
    }
    if (s->n_inputs == SYN_MAX_JOB_INPUTS || !name_ok(name)) {
        syn_problem_add(&s->p, pointer, SYN_CODE_unknown_field,
                        "at most %d inputs, named by 1 to %d bytes of UTF-8", SYN_MAX_JOB_INPUTS,
                        SYN_MAX_JOB_NAME);
        return NULL;
    }
    in = &s->input[s->n_inputs++];
    memset(in, 0, sizeof *in);
    snprintf(in->name, sizeof in->name, "%s", name);
    return in;
}

/* Is there such a blob, for this caller? A store that cannot tell refuses the job itself. */
static bool may_read(struct syn_job_spec *s, const char *sha256)
{
    struct syn_store *store = s->rq->http->opts.store;
    struct syn_err err;
    bool owns = false;
    return syn_store_blob_owns(store, sha256, s->rq->owner, &owns, &err) == SYN_OK && owns &&
           syn_blob_exists(syn_store_blobs(store), sha256, NULL);
}

/* A blob id, a data URI or base64. */
static void input_from_text(struct syn_job_spec *s, const char *name, const char *text, size_t n,
                            const char *pointer)
{
    struct syn_err err;
    syn_status st;
    struct syn_spec_input *in = add_input(s, name, pointer);
    if (!in) return;
    if (n == SYN_SHA256_HEX_SIZE - 1 && syn_blob_name_ok(text)) {
        memcpy(in->sha256, text, n + 1);
        in->missing = !may_read(s, in->sha256);
        return;
    }
    st = syn_datauri_decode(text, n, s->rq->http->opts.max_body_bytes, &in->bytes, &in->n, &err);
    in->brought = true;
    if (st == SYN_OK) return;
    s->n_inputs--;
    syn_problem_add(&s->p, pointer,
                    st == SYN_UNSUPPORTED ? SYN_CODE_unsupported_value
                    : st == SYN_TOO_LARGE ? SYN_CODE_payload_too_large
                    : st == SYN_NO_MEMORY ? SYN_CODE_out_of_memory
                                          : SYN_CODE_invalid_field,
                    "%s", err.text);
}

void syn_spec_read_inputs(struct syn_job_spec *s, const json_t *inputs)
{
    char pointer[200];
    const char *name;
    json_t *v;
    for (int i = 0; i < s->rq->body.n_parts; i++) {
        const struct syn_form_part *part = &s->rq->body.part[i];
        struct syn_spec_input *in;
        if (!strcmp(part->name, "spec")) continue;
        syn_json_pointer(pointer, sizeof pointer, "/inputs", part->name);
        if (!part->is_file) {
            input_from_text(s, part->name, part->text, part->n, pointer);
        } else if ((in = add_input(s, part->name, pointer))) {
            memcpy(in->sha256, part->sha256, sizeof in->sha256);
            in->brought = true;
        }
    }
    if (!inputs) return;
    if (!json_is_object(inputs)) {
        syn_problem_add(&s->p, "/inputs", SYN_CODE_invalid_field,
                        "must be an object {name: blob id or data URI}");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)inputs, name, v)
    {
        syn_json_pointer(pointer, sizeof pointer, "/inputs", name);
        if (json_is_string(v))
            input_from_text(s, name, json_string_value(v), json_string_length(v), pointer);
        else
            syn_problem_add(&s->p, pointer, SYN_CODE_invalid_field,
                            "must be a text: blob id, data URI or base64");
    }
}

static bool look_at(struct syn_job_spec *s, const struct syn_spec_input *in, const void *bytes,
                    size_t n)
{
    struct syn_task_fault fault;
    if (!s->task || syn_task_probe(s->task, in->name, bytes, n, &fault)) return true;
    syn_spec_add_fault(s, &fault);
    return false;
}

/* Header of a blob: mapped, since its size is bounded by the upload limits only. False: an error was
 * added. */
static bool probe_blob(struct syn_job_spec *s, const struct syn_spec_input *in,
                       const char *pointer)
{
    struct syn_err err;
    uint64_t bytes;
    int fd;
    void *map;
    bool ok;
    const syn_status st =
        syn_blob_open(syn_store_blobs(s->rq->http->opts.store), in->sha256, &fd, &bytes, &err);
    if (st != SYN_OK) {
        syn_problem_add(&s->p, pointer,
                        st == SYN_NOT_FOUND ? SYN_CODE_unknown_blob : SYN_CODE_internal, "%s",
                        st == SYN_NOT_FOUND ? err.text : "the server cannot read it");
        return false;
    }
    if (bytes == 0) {
        close(fd);
        return look_at(s, in, "", 0);
    }
    map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        syn_problem_add(&s->p, pointer, SYN_CODE_out_of_memory, "no memory to read %llu bytes",
                        (unsigned long long)bytes);
        return false;
    }
    ok = look_at(s, in, map, (size_t)bytes);
    munmap(map, (size_t)bytes);
    return ok;
}

/* It was named, but what it was said to be is wrong already. */
static bool was_tried(const struct syn_job_spec *s, const char *pointer)
{
    for (size_t k = 0; k < json_array_size(s->p.errors); k++) {
        const json_t *e = json_array_get(s->p.errors, k);
        const char *at = json_string_value(json_object_get(e, "pointer"));
        if (at && (!strcmp(at, pointer) || !strcmp(at, "/inputs"))) return true;
    }
    return false;
}

void syn_spec_probe_inputs(struct syn_job_spec *s)
{
    char pointer[200];
    s->inputs_ok = s->kind != NULL;
    for (int32_t i = 0; s->kind && i < s->kind->n_inputs; i++)
        if (s->kind->input[i].required && !syn_spec_input(s, s->kind->input[i].name)) {
            syn_json_pointer(pointer, sizeof pointer, "/inputs", s->kind->input[i].name);
            s->inputs_ok = false;
            if (!was_tried(s, pointer))
                syn_problem_add(&s->p, pointer, SYN_CODE_missing_field, "needed: %s",
                                s->kind->input[i].description);
        }
    for (int32_t i = 0; s->kind && i < s->n_inputs; i++) {
        struct syn_spec_input *in = &s->input[i];
        syn_json_pointer(pointer, sizeof pointer, "/inputs", in->name);
        in->probed = !in->missing && (in->bytes ? look_at(s, in, in->bytes, in->n)
                                                : probe_blob(s, in, pointer));
        s->inputs_ok = s->inputs_ok && in->probed;
    }
}
