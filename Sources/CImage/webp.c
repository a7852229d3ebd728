#include "internal.h"

#include <pthread.h>

/// libwebp 0.5 and later.
static struct {
    int (*info)(const uint8_t *, size_t, int *, int *);
    uint8_t *(*decode)(const uint8_t *, size_t, uint8_t *, size_t, int);
    bool ready;
} webp;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    static const char *const names[] = {"libwebp.so.7", "libwebp.so.6", NULL};
    const cimage_symbol symbols[] = {
        {"WebPGetInfo", (void **)&webp.info},
        {"WebPDecodeRGBInto", (void **)&webp.decode},
    };
    webp.ready = cimage_open(names, symbols, sizeof symbols / sizeof *symbols);
}

cimage_status cimage_decode_webp(const cimage_task *task) {
    pthread_once(&once, open_library);
    if (!webp.ready) return cimage_fail(task, CIMAGE_MISSING, "libwebp.so.7 (Debian: libwebp7)");
    int width = 0, height = 0;
    if (!webp.info(task->data, task->size, &width, &height))
        return cimage_fail(task, CIMAGE_BROKEN, "libwebp: no WebP image");
    uint8_t *result = cimage_result(task, width, height, 8);
    if (!result) return CIMAGE_LIMIT;
    if (!webp.decode(task->data, task->size, result, (size_t)width * (size_t)height * 3, width * 3))
        return cimage_fail(task, CIMAGE_BROKEN, "libwebp: the stream cannot be decoded");
    return CIMAGE_OK;
}
