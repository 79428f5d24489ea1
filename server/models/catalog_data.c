/* catalog_data.c - config/catalog.json inside the binary, so that `models fetch` needs no files
 * beside it.
 *
 * Layer:   server/models.   Threads: constant. */
#include "server/models/package.h"

/* The assembler finds the path from the root of the tree, where the build runs. */
__asm__(".pushsection .rodata, \"a\"\n"
        ".global syn_catalog_text\n"
        ".global syn_catalog_text_end\n"
        ".hidden syn_catalog_text\n"
        ".hidden syn_catalog_text_end\n"
        "syn_catalog_text:\n"
        ".incbin \"config/catalog.json\"\n"
        "syn_catalog_text_end:\n"
        ".byte 0\n"
        ".popsection\n");
