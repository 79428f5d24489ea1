/* test_store_owners.c - whose a blob is: who may read it and name it in a job, how an older store
 * comes to know, and when it ends. */
#include "tests/store_t.h"
#include <sqlite3.h>

static struct syn_err err;

static bool owns(struct syn_store *s, const char *sha, const char *owner)
{
    bool answer = false;
    T_MUST(syn_store_blob_owns(s, sha, owner, &answer, &err) == SYN_OK);
    return answer;
}

static void put(struct syn_store *s, const char *text, char sha[SYN_SHA256_HEX_SIZE])
{
    T_MUST(syn_blob_put(syn_store_blobs(s), text, strlen(text), sha, &err) == SYN_OK);
}

static syn_status submit(struct syn_store *s, const char *owner, const char *sha, uint32_t brought,
                         char id[SYN_JOB_ID_SIZE])
{
    struct syn_job j = {.kind = "upscale", .n_inputs = 1};
    struct syn_submit in = {.job = &j, .brought = brought};
    snprintf(j.owner, sizeof j.owner, "%s", owner);
    strcpy(j.input[0].name, "image");
    memcpy(j.input[0].sha256, sha, SYN_SHA256_HEX_SIZE);
    return syn_store_submit(s, &in, id, NULL, &err);
}

static void test_who_may(void)
{
    char *dir = t_folder(), sha[SYN_SHA256_HEX_SIZE], other[SYN_SHA256_HEX_SIZE],
         id[SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE], absent[128];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job_output out = {.media_type = "image/png", .bytes = 6};
    struct syn_finish f = {.state = SYN_JOB_SUCCEEDED, .output = &out, .n_outputs = 1};
    put(s, "picture", sha);
    T_CHECK(owns(s, sha, ""), "without keys everybody");
    T_CHECK(!owns(s, sha, "anna"), "a blob that nobody has brought with a key");
    T_CHECK(syn_store_blob_own(s, sha, "", &err) == SYN_OK && !owns(s, sha, "anna"), "no key");
    T_CHECK(syn_store_blob_own(s, sha, "anna", &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_store_blob_own(s, sha, "anna", &err) == SYN_OK, "twice: %s", err.text);
    T_CHECK(owns(s, sha, "anna") && !owns(s, sha, "bert") && !owns(s, sha, "ann"), "anna's");

    memset(other, '0', sizeof other - 1), other[64] = '\0';
    T_CHECK(submit(s, "bert", other, 0, id) == SYN_NOT_FOUND, "absent: %s", err.text);
    snprintf(absent, sizeof absent, "%.18s", err.text);
    T_CHECK(submit(s, "bert", sha, 0, id) == SYN_NOT_FOUND && strstr(err.text, sha) &&
                strncmp(err.text, absent, strlen(absent)) == 0,
            "another key's is told as absent: %s", err.text);
    T_CHECK(submit(s, "", sha, 0, id) == SYN_OK, "without keys: %s", err.text);
    T_CHECK(submit(s, "anna", sha, 0, id) == SYN_OK, "its owner: %s", err.text);
    T_CHECK(submit(s, "bert", sha, 2, id) == SYN_NOT_FOUND, "the bit of another input");
    T_CHECK(!owns(s, sha, "bert"), "a refused job gives nothing");
    T_CHECK(submit(s, "bert", sha, 1, id) == SYN_OK, "brought: %s", err.text);
    T_CHECK(owns(s, sha, "bert") && owns(s, sha, "anna"), "both");

    put(s, "result", out.sha256);
    for (int i = 0; i < 3; i++) {
        t_take(s, taken);
        f.id = taken;
        if (i == 1) T_CHECK(!owns(s, out.sha256, "anna"), "before her job made it");
        T_MUST(syn_store_finish(s, &f, &err) == SYN_OK);
        T_CHECK(owns(s, out.sha256, "anna") == (i >= 1), "job %d: anna", i);
        T_CHECK(owns(s, out.sha256, "bert") == (i >= 2), "job %d: bert", i);
    }
    syn_store_close(s);
    s = t_open(&o);
    T_CHECK(owns(s, sha, "bert") && owns(s, out.sha256, "anna") && !owns(s, sha, "carl"),
            "after a restart");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* A blob that goes takes its owners along: the same bytes brought by another key are that one's. */
static void test_ends_with_the_blob(void)
{
    char *dir = t_folder(), sha[SYN_SHA256_HEX_SIZE], kept[SYN_SHA256_HEX_SIZE],
         id[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    int64_t later = t_now_ms() + 2 * 3600 * 1000;
    put(s, "picture", sha), put(s, "named", kept);
    T_MUST(syn_store_blob_own(s, sha, "anna", &err) == SYN_OK);
    T_MUST(submit(s, "anna", kept, 1, id) == SYN_OK);
    T_MUST(syn_store_sweep(s, t_now_ms(), &err) == SYN_OK);
    T_CHECK(owns(s, sha, "anna"), "too young to go");
    T_MUST(syn_store_sweep(s, later, &err) == SYN_OK);
    T_CHECK(!syn_blob_exists(syn_store_blobs(s), sha, NULL) && !owns(s, sha, "anna"), "gone");
    T_CHECK(syn_blob_exists(syn_store_blobs(s), kept, NULL) && owns(s, kept, "anna"), "named");
    put(s, "picture", sha);
    T_MUST(syn_store_blob_own(s, sha, "bert", &err) == SYN_OK);
    T_CHECK(owns(s, sha, "bert") && !owns(s, sha, "anna"), "brought anew");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* Version 1 had no owners: what jobs name is their keys'. */
static void test_migration(void)
{
    char *dir = t_folder(), sha[2][SYN_SHA256_HEX_SIZE], id[SYN_JOB_ID_SIZE], path[4200];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    sqlite3 *db = NULL;
    put(s, "hers", sha[0]), put(s, "nobody's", sha[1]);
    T_MUST(submit(s, "anna", sha[0], 1, id) == SYN_OK);
    T_MUST(submit(s, "", sha[1], 1, id) == SYN_OK);
    syn_store_close(s);
    snprintf(path, sizeof path, "%s/synthd.db", dir);
    T_MUST(sqlite3_open(path, &db) == SQLITE_OK);
    T_MUST(sqlite3_exec(db, "DROP TABLE blob_owner; DELETE FROM schema_version WHERE version = 2",
                        NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    s = t_open(&o);
    T_CHECK(owns(s, sha[0], "anna") && !owns(s, sha[0], "bert"), "named by her job");
    T_CHECK(!owns(s, sha[1], "anna") && owns(s, sha[1], ""), "named by a job without a key");
    syn_store_close(s);
    t_folder_drop(dir);
}

int main(void)
{
    test_who_may();
    test_ends_with_the_blob();
    test_migration();
    return t_report();
}
