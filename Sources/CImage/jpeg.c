#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/// libjpeg-turbo's own interface (turbojpeg.h, 1.5 and later). Chroma is upsampled smoothly, the DCT is the accurate one.
enum { PIXELS_RGB = 0, PIXELS_CMYK = 11, SPACE_CMYK = 3, SPACE_YCCK = 4, ACCURATE_DCT = 4096, LIMIT_SCANS = 32768, WARNING = 0 };

static struct {
    void *(*init)(void);
    int (*header)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *);
    int (*decompress)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
    int (*destroy)(void *);
    char *(*error)(void *);
    int (*code)(void *);
    bool ready;
} jpeg;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    static const char *const names[] = {"libturbojpeg.so.0", "libturbojpeg.so", NULL};
    const cimage_symbol symbols[] = {
        {"tjInitDecompress", (void **)&jpeg.init}, {"tjDecompressHeader3", (void **)&jpeg.header},
        {"tjDecompress2", (void **)&jpeg.decompress}, {"tjDestroy", (void **)&jpeg.destroy},
        {"tjGetErrorStr2", (void **)&jpeg.error}, {"tjGetErrorCode", (void **)&jpeg.code},
    };
    jpeg.ready = cimage_open(names, symbols, sizeof symbols / sizeof *symbols);
}

/// Inverted CMYK, as Adobe writes it, to RGB.
static void from_cmyk(const uint8_t *from, uint8_t *to, size_t pixels) {
    for (size_t i = 0; i < pixels; i++, from += 4, to += 3)
        for (int c = 0; c < 3; c++) to[c] = (uint8_t)((from[c] * from[3] + 127) / 255);
}

/// Decodes without the library's warnings, but for a stream that ends early.
static bool decompress(void *handle, const cimage_task *task, uint8_t *out, int width, int height, int pixels) {
    const int flags = ACCURATE_DCT | LIMIT_SCANS;
    if (!jpeg.decompress(handle, task->data, (unsigned long)task->size, out, width, 0, height, pixels, flags)) return true;
    return jpeg.code(handle) == WARNING && !strstr(jpeg.error(handle), "remature end");
}

cimage_status cimage_decode_jpeg(const cimage_task *task) {
    pthread_once(&once, open_library);
    if (!jpeg.ready) return cimage_fail(task, CIMAGE_MISSING, "libturbojpeg.so.0 (Debian: libturbojpeg0)");
    void *handle = jpeg.init();
    if (!handle) return cimage_fail(task, CIMAGE_LIMIT, "libturbojpeg cannot start");
    cimage_status status = CIMAGE_OK;
    int width = 0, height = 0, sampling = 0, space = 0;
    if (jpeg.header(handle, task->data, (unsigned long)task->size, &width, &height, &sampling, &space)) {
        status = cimage_fail(task, CIMAGE_BROKEN, jpeg.error(handle));
    } else {
        // A progressive stream keeps all coefficients: two bytes each for up to four components.
        uint8_t *result = cimage_result(task, width, height, 8);
        if (!result) {
            status = CIMAGE_LIMIT;
        } else if (space == SPACE_CMYK || space == SPACE_YCCK) {
            uint8_t *cmyk = malloc((size_t)width * (size_t)height * 4);
            if (!cmyk) status = cimage_fail(task, CIMAGE_LIMIT, "no memory for a CMYK image");
            else if (!decompress(handle, task, cmyk, width, height, PIXELS_CMYK))
                status = cimage_fail(task, CIMAGE_BROKEN, jpeg.error(handle));
            else from_cmyk(cmyk, result, (size_t)width * (size_t)height);
            free(cmyk);
        } else if (!decompress(handle, task, result, width, height, PIXELS_RGB)) {
            status = cimage_fail(task, CIMAGE_BROKEN, jpeg.error(handle));
        }
    }
    jpeg.destroy(handle);
    return status;
}
