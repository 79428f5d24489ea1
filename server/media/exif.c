/* exif.c - the one EXIF field that a decoder needs: the orientation.
 *
 * Source:  TIFF 6.0 (header, IFD), EXIF 2.32 tag 0x0112.
 * Layer:   server/media.
 * Threads: pure function.
 * Hostile: every offset and count is the file's word, so each is tried with bytes.h; the only loop
 *          is over one IFD of at most 65535 entries of 12 bytes that must really be there. */
#include "server/media/codec.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4 };

int32_t syn_exif_orientation(struct syn_bytes exif)
{
    struct syn_bytes tiff = exif, at;
    const uint8_t *order;
    uint16_t magic, entries;
    uint32_t ifd;
    bool big;

    if (tiff.left >= 6 && !memcmp(tiff.p, "Exif\0\0", 6)) (void)syn_bytes_skip(&tiff, 6);
    at = tiff;
    if (!syn_bytes_take(&at, 2, &order)) return 1;
    if (order[0] != order[1] || (order[0] != 'M' && order[0] != 'I')) return 1;
    big = order[0] == 'M';
    if (!syn_bytes_u16(&at, big, &magic) || magic != 42 || !syn_bytes_u32(&at, big, &ifd)) return 1;

    at = tiff;
    if (!syn_bytes_skip(&at, ifd) || !syn_bytes_u16(&at, big, &entries)) return 1;
    for (; entries > 0; entries--) {
        uint16_t tag, type, small;
        uint32_t count, large;
        if (!syn_bytes_u16(&at, big, &tag) || !syn_bytes_u16(&at, big, &type) ||
            !syn_bytes_u32(&at, big, &count))
            return 1;
        if (tag != TAG_ORIENTATION) {
            if (!syn_bytes_skip(&at, 4)) return 1;
            continue;
        }
        if (count != 1) return 1;
        if (type == TYPE_SHORT && syn_bytes_u16(&at, big, &small))
            large = small;
        else if (type != TYPE_LONG || !syn_bytes_u32(&at, big, &large))
            return 1;
        return large >= 1 && large <= 8 ? (int32_t)large : 1;
    }
    return 1;
}
