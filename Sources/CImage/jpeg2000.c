#include "internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// OpenJPEG 2.x (openjpeg.h): the layouts of its public structures.
typedef struct {
    uint32_t dx, dy, w, h, x0, y0, prec, bpp, sgnd, resno_decoded, factor;
    int32_t *data;
    uint16_t alpha;
} opj_component;

typedef struct {
    uint32_t x0, y0, x1, y1, numcomps;
    int32_t color_space;
    opj_component *comps;
    uint8_t *icc;
    uint32_t icc_length;
} opj_image;

enum { CODEC_J2K = 0, CODEC_JP2 = 2, SPACE_SYCC = 3, SPACE_CMYK = 5 };

typedef size_t (*read_fn)(void *, size_t, void *);
typedef int64_t (*skip_fn)(int64_t, void *);
typedef int (*seek_fn)(int64_t, void *);
typedef void (*free_fn)(void *);
typedef void (*message_fn)(const char *, void *);

static struct {
    void *(*stream)(size_t, int);
    void (*destroy_stream)(void *);
    void (*set_read)(void *, read_fn);
    void (*set_skip)(void *, skip_fn);
    void (*set_seek)(void *, seek_fn);
    void (*set_data)(void *, void *, free_fn);
    void (*set_length)(void *, uint64_t);
    void *(*codec)(int);
    void (*destroy_codec)(void *);
    void (*defaults)(void *);
    int (*setup)(void *, void *);
    int (*on_error)(void *, message_fn, void *);
    int (*header)(void *, void *, opj_image **);
    int (*decode)(void *, void *, opj_image *);
    void (*destroy_image)(opj_image *);
    bool ready;
} opj;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    static const char *const names[] = {"libopenjp2.so.7", NULL};
    const cimage_symbol symbols[] = {
        {"opj_stream_create", (void **)&opj.stream}, {"opj_stream_destroy", (void **)&opj.destroy_stream},
        {"opj_stream_set_read_function", (void **)&opj.set_read}, {"opj_stream_set_skip_function", (void **)&opj.set_skip},
        {"opj_stream_set_seek_function", (void **)&opj.set_seek}, {"opj_stream_set_user_data", (void **)&opj.set_data},
        {"opj_stream_set_user_data_length", (void **)&opj.set_length}, {"opj_create_decompress", (void **)&opj.codec},
        {"opj_destroy_codec", (void **)&opj.destroy_codec},
        {"opj_set_default_decoder_parameters", (void **)&opj.defaults}, {"opj_setup_decoder", (void **)&opj.setup},
        {"opj_set_error_handler", (void **)&opj.on_error}, {"opj_read_header", (void **)&opj.header},
        {"opj_decode", (void **)&opj.decode}, {"opj_image_destroy", (void **)&opj.destroy_image},
    };
    opj.ready = cimage_open(names, symbols, sizeof symbols / sizeof *symbols);
}

typedef struct {
    const cimage_task *task;
    size_t offset;
} opj_source;

static size_t on_read(void *bytes, size_t count, void *context) {
    opj_source *source = context;
    size_t rest = source->task->size - source->offset;
    if (!rest) return (size_t)-1;
    if (count > rest) count = rest;
    memcpy(bytes, source->task->data + source->offset, count);
    source->offset += count;
    return count;
}

static int64_t on_skip(int64_t count, void *context) {
    opj_source *source = context;
    size_t rest = source->task->size - source->offset;
    if (count < 0) return -1;
    if ((uint64_t)count > rest) count = (int64_t)rest;
    source->offset += (size_t)count;
    return count;
}

static int on_seek(int64_t offset, void *context) {
    opj_source *source = context;
    if (offset < 0 || (uint64_t)offset > source->task->size) return 0;
    source->offset = (size_t)offset;
    return 1;
}

static void on_error(const char *text, void *context) {
    const cimage_task *task = context;
    snprintf(task->message, CIMAGE_MESSAGE, "openjpeg: %s", text);
    size_t length = strlen(task->message);
    if (length && task->message[length - 1] == '\n') task->message[length - 1] = 0;
}

/// The sample of a component at a pixel, in 0 ... 255.
static int sample(const opj_component *c, uint32_t x, uint32_t y) {
    uint32_t column = x / c->dx, row = y / c->dy;
    if (column >= c->w) column = c->w - 1;
    if (row >= c->h) row = c->h - 1;
    int64_t value = c->data[(size_t)row * c->w + column];
    if (c->sgnd) value += (int64_t)1 << (c->prec - 1);
    if (c->prec > 8) value >>= c->prec - 8;
    if (c->prec < 8) value = (value * 255 + (((int64_t)1 << c->prec) - 1) / 2) / (((int64_t)1 << c->prec) - 1);
    return value < 0 ? 0 : value > 255 ? 255 : (int)value;
}

static uint8_t clamped(double value) { return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5); }

static cimage_status convert(const opj_image *image, const cimage_task *task, uint8_t *out) {
    const opj_component *c = image->comps;
    for (uint32_t i = 0; i < image->numcomps; i++)
        if (!c[i].data || !c[i].w || !c[i].h || !c[i].dx || !c[i].dy || c[i].prec < 1 || c[i].prec > 31)
            return cimage_fail(task, CIMAGE_BROKEN, "openjpeg: a component without samples");
    bool gray = image->numcomps < 3;
    uint32_t width = image->x1 - image->x0, height = image->y1 - image->y0;
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++, out += 3) {
            int a = sample(&c[0], x, y);
            int b = gray ? a : sample(&c[1], x, y), d = gray ? a : sample(&c[2], x, y);
            if (image->color_space == SPACE_SYCC && !gray) {
                double cb = b - 128, cr = d - 128;
                out[0] = clamped(a + 1.402 * cr);
                out[1] = clamped(a - 0.344136 * cb - 0.714136 * cr);
                out[2] = clamped(a + 1.772 * cb);
            } else if (image->color_space == SPACE_CMYK && image->numcomps >= 4) {
                int k = 255 - sample(&c[3], x, y);
                out[0] = (uint8_t)((255 - a) * k / 255);
                out[1] = (uint8_t)((255 - b) * k / 255);
                out[2] = (uint8_t)((255 - d) * k / 255);
            } else {
                out[0] = (uint8_t)a;
                out[1] = (uint8_t)b;
                out[2] = (uint8_t)d;
            }
        }
    }
    return CIMAGE_OK;
}

static cimage_status decode(void *codec, void *stream, opj_image **image, const cimage_task *task) {
    // Larger than any version's opj_dparameters_t (8 KiB of names and a few numbers).
    void *parameters = calloc(1, 1 << 15);
    if (!parameters) return cimage_fail(task, CIMAGE_LIMIT, "no memory");
    opj.defaults(parameters);
    int isReady = opj.setup(codec, parameters) && opj.header(stream, codec, image) && *image;
    free(parameters);
    if (!isReady) return CIMAGE_BROKEN;
    opj_image *found = *image;
    if (found->x1 <= found->x0 || found->y1 <= found->y0 || !found->numcomps || found->numcomps > 64 || !found->comps)
        return cimage_fail(task, CIMAGE_BROKEN, "openjpeg: an image without size or components");
    // Samples take four bytes a component, and the decoder as much again.
    uint8_t *result = cimage_result(task, found->x1 - found->x0, found->y1 - found->y0, (size_t)found->numcomps * 8);
    if (!result) return CIMAGE_LIMIT;
    if (!opj.decode(codec, stream, found)) return CIMAGE_BROKEN;
    return convert(found, task, result);
}

cimage_status cimage_decode_jpeg2000(const cimage_task *task) {
    pthread_once(&once, open_library);
    if (!opj.ready) return cimage_fail(task, CIMAGE_MISSING, "libopenjp2.so.7 (Debian: libopenjp2-7)");
    bool isFile = task->size > 4 && task->data[0] == 0;
    opj_source source = {task, 0};
    opj_image *image = NULL;
    void *codec = opj.codec(isFile ? CODEC_JP2 : CODEC_J2K);
    void *stream = opj.stream(1 << 16, 1);
    cimage_status status = CIMAGE_LIMIT;
    if (codec && stream) {
        opj.on_error(codec, on_error, (void *)task);
        opj.set_read(stream, on_read);
        opj.set_skip(stream, on_skip);
        opj.set_seek(stream, on_seek);
        opj.set_data(stream, &source, NULL);
        opj.set_length(stream, task->size);
        status = decode(codec, stream, &image, task);
    }
    if (image) opj.destroy_image(image);
    if (stream) opj.destroy_stream(stream);
    if (codec) opj.destroy_codec(codec);
    return status;
}
