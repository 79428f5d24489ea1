/* native.h - the handlers of synthd's own API, one per route of the router's table.
 *
 * Each answers its request by filling rq->reply. They run on the listener's threads, several at
 * once, and never wait for the engine.
 *
 * Layer:   server/http, family native. */
#ifndef SYN_NATIVE_H
#define SYN_NATIVE_H

#include "server/http/request.h"

syn_handler syn_native_discovery, syn_native_healthz, syn_native_readyz, syn_native_metrics,
    syn_native_openapi;
syn_handler syn_native_kinds, syn_native_models, syn_native_model;
syn_handler syn_native_post_blob, syn_native_get_blob;
syn_handler syn_native_post_job, syn_native_list_jobs, syn_native_get_job, syn_native_delete_job,
    syn_native_get_output;

/* The job object of every answer; NULL without memory. */
json_t *syn_native_job_json(struct syn_http *h, const struct syn_job *j);
/* The caller's job; false: answered with 404 (another key's job too). The caller deinits *j. */
bool syn_native_load_job(struct syn_request *rq, const char *id, struct syn_job *j);
/* Answers with a blob: ETag, Range, HEAD. filename may be NULL. */
void syn_native_send_blob(struct syn_request *rq, const char *sha256, const char *media_type,
                          const char *filename, enum syn_code missing);
/* Why no new job is taken now; NULL = it is. *code says which problem. */
const char *syn_native_not_ready(struct syn_http *h, enum syn_code *code);

/* proto/openapi.yaml, from text to end. */
extern const char syn_openapi_text[], syn_openapi_text_end[];

#endif
