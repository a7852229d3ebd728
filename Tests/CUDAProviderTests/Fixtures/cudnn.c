// Stands in for cuDNN: descriptors of paper, which know their attributes, and plans that put down what they were run with.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BAD = 2000, UNSUPPORTED = 3000, MOST = 32 };

struct attribute {
    int name, count;
    int64_t values[8];
};
struct descriptor {
    int type, is_final, count;
    struct attribute attributes[MOST];
};

static int alive, operations, engine;

size_t cudnnGetVersion(void) { return 91907; }
const char *cudnnGetErrorString(int code) { return code == BAD ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_NOT_SUPPORTED"; }
void cudnnGetLastErrorString(char *text, size_t size) { if (size) *text = 0; }
int cudnnCreate(void **handle) { return *handle = &alive, 0; }
int cudnnDestroy(void *handle) { return handle == &alive ? 0 : BAD; }
int cudnnSetStream(void *handle, void *stream) { return handle == &alive && stream ? 0 : BAD; }

int cudnnBackendCreateDescriptor(int type, void **made) {
    struct descriptor *d = calloc(1, sizeof *d);
    d->type = type;
    alive++;
    return *made = d, 0;
}
int cudnnBackendDestroyDescriptor(void *d) { return free(d), alive--, 0; }

static struct attribute *find(struct descriptor *d, int name) {
    for (int i = 0; i < d->count; i++) if (d->attributes[i].name == name) return &d->attributes[i];
    return NULL;
}

static int width(int type) { return type == 2 || type == 24 ? 1 : type == 1 || type == 4 || type == 7 || type == 8 || type == 14 ? 4 : 8; }

int cudnnBackendSetAttribute(void *to, int name, int type, int64_t count, const void *values) {
    struct descriptor *d = to;
    if (d->is_final || d->count == MOST || count > 8 || find(d, name)) return BAD;
    struct attribute *a = &d->attributes[d->count++];
    a->name = name, a->count = (int)count;
    for (int i = 0; i < count; i++) memcpy(&a->values[i], (const char *)values + i * width(type), width(type));
    // What an operation or a graph is made of must be final.
    if (type == 15 && name != 202)
        for (int i = 0; i < count; i++) if (!((struct descriptor *)a->values[i])->is_final) return BAD;
    return 0;
}

int cudnnBackendFinalize(void *of) {
    struct descriptor *d = of;
    if (d->is_final) return BAD;
    d->is_final = 1;
    if (d->type == 17) return find(d, 901) && find(d, 902) && find(d, 903) && find(d, 906) ? 0 : BAD;
    if (d->type == 15) {
        const struct attribute *a = find(d, 801);
        operations = a ? a->count : 0;
        // Swish is more than these engines can do.
        for (int i = 0; i < operations; i++) {
            struct attribute *p = find((struct descriptor *)a->values[i], 750);
            if (p && find((struct descriptor *)p->values[0], 0)->values[0] == 106) return UNSUPPORTED;
        }
    }
    // The first engine has no plan.
    if (d->type == 5) return ((struct descriptor *)find(d, 401)->values[0])->attributes[0].values[0] == 0 ? UNSUPPORTED : 0;
    return 0;
}

int cudnnBackendGetAttribute(void *of, int name, int type, int64_t room, int64_t *count, void *values) {
    struct descriptor *d = of;
    if (!d->is_final && name != 300) return BAD;
    if (name == 202) {
        if (count) *count = 4;
        for (int i = 0; i < room && i < 4; i++) {
            struct descriptor *config = ((struct descriptor **)values)[i];
            config->is_final = 1;
            config->count = 1;
            config->attributes[0] = (struct attribute){300, 1, {i}};
        }
        return 0;
    }
    if (name == 402) {
        // The second needs more memory than anybody gives.
        engine = (int)((struct descriptor *)find(d, 401)->values[0])->attributes[0].values[0];
        *(int64_t *)values = engine == 1 ? (int64_t)1 << 40 : 4096 * engine;
        return *count = 1, 0;
    }
    return UNSUPPORTED;
}

/// y gets: engines times 16 plus operations; the pointers are host memory here.
int cudnnBackendExecute(void *handle, void *plan, void *pack) {
    struct attribute *ids = find(pack, 1000), *pointers = find(pack, 1001);
    if (handle != &alive || !ids || ids->count != pointers->count) return BAD;
    const int64_t engine = ((struct descriptor *)find(plan, 401)->values[0])->attributes[0].values[0];
    for (int i = 0; i < ids->count; i++) if (ids->values[i] == 5) *(int64_t *)pointers->values[i] = engine * 16 + ids->count;
    return 0;
}

int paper_operations(void) { return operations; }
int paper_alive(void) { return alive; }
