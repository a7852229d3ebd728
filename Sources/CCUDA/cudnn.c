// Convolutions as operation graphs of cuDNN's backend interface: convolution, then bias, sum and activation as pointwise operations.
#include "include/CUDNN.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cudnnBackendDescriptorType_t
enum {
    POINTWISE = 0,
    CONVOLUTION = 1,
    ENGINE_CONFIG = 3,
    HEURISTIC = 4,
    PLAN = 5,
    OPERATION_CONVOLUTION = 10,
    OPERATION_POINTWISE = 13,
    GRAPH = 15,
    VARIANT_PACK = 16,
    TENSOR = 17,
    ENGINE = 2,
};

// cudnnBackendAttributeType_t
enum {
    T_HANDLE = 0,
    T_DATA_TYPE = 1,
    T_BOOLEAN = 2,
    T_INT64 = 3,
    T_FLOAT = 4,
    T_DOUBLE = 5,
    T_POINTER = 6,
    T_CONVOLUTION_MODE = 7,
    T_HEURISTIC_MODE = 8,
    T_POINTWISE_MODE = 14,
    T_DESCRIPTOR = 15,
    T_CHAR = 24,
};

// cudnnBackendAttributeName_t
enum {
    POINTWISE_MODE = 0,
    POINTWISE_PRECISION = 1,
    POINTWISE_LOWER_CLIP = 3,
    POINTWISE_UPPER_CLIP = 4,
    POINTWISE_SLOPE = 5,
    POINTWISE_ELU_ALPHA = 6,
    POINTWISE_SWISH_BETA = 8,
    CONVOLUTION_TYPE = 100,
    CONVOLUTION_MODE = 101,
    CONVOLUTION_DILATIONS = 102,
    CONVOLUTION_STRIDES = 103,
    CONVOLUTION_AFTER = 104,
    CONVOLUTION_BEFORE = 105,
    CONVOLUTION_AXES = 106,
    HEURISTIC_MODE = 200,
    HEURISTIC_GRAPH = 201,
    HEURISTIC_RESULTS = 202,
    ENGINE_CONFIG_ENGINE = 300,
    PLAN_HANDLE = 400,
    PLAN_CONFIG = 401,
    PLAN_WORKSPACE = 402,
    PLAN_TEXT = 405,
    FORWARD_ALPHA = 700,
    FORWARD_BETA = 701,
    FORWARD_CONVOLUTION = 702,
    FORWARD_W = 703,
    FORWARD_X = 704,
    FORWARD_Y = 705,
    OPERATION_POINTWISE_POINTWISE = 750,
    OPERATION_POINTWISE_X = 751,
    OPERATION_POINTWISE_B = 752,
    OPERATION_POINTWISE_Y = 753,
    GRAPH_HANDLE = 800,
    GRAPH_OPERATIONS = 801,
    TENSOR_ALIGNMENT = 900,
    TENSOR_TYPE = 901,
    TENSOR_SIZES = 902,
    TENSOR_STRIDES = 903,
    TENSOR_ID = 906,
    TENSOR_IS_VIRTUAL = 907,
    PACK_IDS = 1000,
    PACK_POINTERS = 1001,
    PACK_WORKSPACE = 1003,
    ENGINE_INDEX = 1301,
};

enum { ADD = 0, CROSS_CORRELATION = 1 };
enum { ID_X = 1, ID_W, ID_BIAS, ID_ADDED, ID_Y, ID_INNER };
enum { MOST_DESCRIPTORS = 32, MOST_CONFIGS = 64 };

struct cameo_cudnn_plan {
    const cameo_cudnn *library;
    cameo_cudnn_descriptor plan;
    size_t workspace;
    int64_t engine;
    int32_t has_bias, has_added;
};

/// Descriptors under construction: the first failure is kept, what follows does nothing.
struct builder {
    const cameo_cudnn *library;
    cameo_cudnn_descriptor all[MOST_DESCRIPTORS];
    int32_t count, status;
    const char *step;
};

static void note(struct builder *b, int32_t status, const char *step) {
    if (b->status || !status) return;
    b->status = status;
    b->step = step;
}

static cameo_cudnn_descriptor make(struct builder *b, int32_t type) {
    cameo_cudnn_descriptor made = NULL;
    if (b->status || b->count == MOST_DESCRIPTORS) return NULL;
    note(b, b->library->create_descriptor(type, &made), "a descriptor");
    if (b->status) return NULL;
    b->all[b->count++] = made;
    return made;
}

static void put(struct builder *b, cameo_cudnn_descriptor to, int32_t name, int32_t type, int64_t count, const void *values) {
    if (b->status || !to) return;
    note(b, b->library->set(to, name, type, count, values), "an attribute");
}

static void put_descriptor(struct builder *b, cameo_cudnn_descriptor to, int32_t name, cameo_cudnn_descriptor value) {
    put(b, to, name, T_DESCRIPTOR, 1, &value);
}

static cameo_cudnn_descriptor done(struct builder *b, cameo_cudnn_descriptor what, const char *step) {
    if (b->status || !what) return NULL;
    note(b, b->library->finalize(what), step);
    return what;
}

static void destroy(struct builder *b) {
    while (b->count > 0) b->library->destroy_descriptor(b->all[--b->count]);
}

/// Sizes are batch, channels, axes; channels lie last in memory.
static cameo_cudnn_descriptor tensor(struct builder *b, int64_t id, int32_t type, const int64_t *sizes, int32_t rank, int is_virtual) {
    cameo_cudnn_descriptor t = make(b, TENSOR);
    int64_t strides[5], next = sizes[1], alignment = 16;
    strides[1] = 1;
    for (int32_t axis = rank - 1; axis >= 2; axis--) {
        strides[axis] = next;
        next *= sizes[axis];
    }
    strides[0] = next;
    const char yes = 1;
    put(b, t, TENSOR_TYPE, T_DATA_TYPE, 1, &type);
    put(b, t, TENSOR_SIZES, T_INT64, rank, sizes);
    put(b, t, TENSOR_STRIDES, T_INT64, rank, strides);
    put(b, t, TENSOR_ID, T_INT64, 1, &id);
    put(b, t, TENSOR_ALIGNMENT, T_INT64, 1, &alignment);
    if (is_virtual) put(b, t, TENSOR_IS_VIRTUAL, T_BOOLEAN, 1, &yes);
    return done(b, t, "a tensor");
}

static cameo_cudnn_descriptor forward(struct builder *b, const cameo_cudnn_convolution *c, cameo_cudnn_descriptor x, cameo_cudnn_descriptor w,
                                      cameo_cudnn_descriptor y) {
    const int32_t compute = CAMEO_CUDNN_FLOAT, mode = CROSS_CORRELATION;
    const int64_t axes = c->axes;
    const float one = 1, zero = 0;
    cameo_cudnn_descriptor convolution = make(b, CONVOLUTION);
    put(b, convolution, CONVOLUTION_TYPE, T_DATA_TYPE, 1, &compute);
    put(b, convolution, CONVOLUTION_MODE, T_CONVOLUTION_MODE, 1, &mode);
    put(b, convolution, CONVOLUTION_AXES, T_INT64, 1, &axes);
    put(b, convolution, CONVOLUTION_DILATIONS, T_INT64, axes, c->dilation);
    put(b, convolution, CONVOLUTION_STRIDES, T_INT64, axes, c->stride);
    put(b, convolution, CONVOLUTION_BEFORE, T_INT64, axes, c->before);
    put(b, convolution, CONVOLUTION_AFTER, T_INT64, axes, c->after);
    done(b, convolution, "the convolution");
    cameo_cudnn_descriptor operation = make(b, OPERATION_CONVOLUTION);
    put_descriptor(b, operation, FORWARD_CONVOLUTION, convolution);
    put_descriptor(b, operation, FORWARD_X, x);
    put_descriptor(b, operation, FORWARD_W, w);
    put_descriptor(b, operation, FORWARD_Y, y);
    put(b, operation, FORWARD_ALPHA, T_FLOAT, 1, &one);
    put(b, operation, FORWARD_BETA, T_FLOAT, 1, &zero);
    return done(b, operation, "the convolution's operation");
}

static cameo_cudnn_descriptor pointwise(struct builder *b, const cameo_cudnn_convolution *c, int32_t mode, cameo_cudnn_descriptor x,
                                        cameo_cudnn_descriptor other, cameo_cudnn_descriptor y) {
    const int32_t compute = CAMEO_CUDNN_FLOAT;
    const double low = c->clip_low, high = c->clip_high, slope = c->slope;
    cameo_cudnn_descriptor what = make(b, POINTWISE);
    put(b, what, POINTWISE_MODE, T_POINTWISE_MODE, 1, &mode);
    put(b, what, POINTWISE_PRECISION, T_DATA_TYPE, 1, &compute);
    if (mode == CAMEO_CUDNN_RELU && (c->clip_low != 0 || c->clip_high < 3e38f || c->slope != 0)) {
        put(b, what, POINTWISE_LOWER_CLIP, T_DOUBLE, 1, &low);
        put(b, what, POINTWISE_UPPER_CLIP, T_DOUBLE, 1, &high);
        put(b, what, POINTWISE_SLOPE, T_DOUBLE, 1, &slope);
    } else if (mode == CAMEO_CUDNN_ELU) {
        put(b, what, POINTWISE_ELU_ALPHA, T_DOUBLE, 1, &slope);
    } else if (mode == CAMEO_CUDNN_SWISH) {
        put(b, what, POINTWISE_SWISH_BETA, T_DOUBLE, 1, &slope);
    }
    done(b, what, "a pointwise function");
    cameo_cudnn_descriptor operation = make(b, OPERATION_POINTWISE);
    put_descriptor(b, operation, OPERATION_POINTWISE_POINTWISE, what);
    put_descriptor(b, operation, OPERATION_POINTWISE_X, x);
    if (other) put_descriptor(b, operation, OPERATION_POINTWISE_B, other);
    put_descriptor(b, operation, OPERATION_POINTWISE_Y, y);
    return done(b, operation, "a pointwise operation");
}

static cameo_cudnn_descriptor graph(struct builder *b, cameo_cudnn_handle handle, const cameo_cudnn_convolution *c) {
    const int32_t rank = c->axes + 2;
    const int has_activation = c->activation != CAMEO_CUDNN_NO_ACTIVATION;
    int left = (c->has_bias != 0) + (c->added >= 0) + has_activation;
    int64_t inner = ID_INNER;
    cameo_cudnn_descriptor operations[4];
    int32_t count = 0;
// The result of the next operation: the last one's is y.
#define NEXT() \
    (left-- > 0 ? tensor(b, inner++, CAMEO_CUDNN_FLOAT, c->y, rank, 1) : tensor(b, ID_Y, c->out, c->y, rank, 0))
    cameo_cudnn_descriptor x = tensor(b, ID_X, c->type, c->x, rank, 0), w = tensor(b, ID_W, c->type, c->w, rank, 0);
    cameo_cudnn_descriptor sum = NEXT();
    operations[count++] = forward(b, c, x, w, sum);
    if (c->has_bias) {
        const int64_t sizes[5] = {1, c->y[1], 1, 1, 1};
        cameo_cudnn_descriptor bias = tensor(b, ID_BIAS, CAMEO_CUDNN_FLOAT, sizes, rank, 0), y = NEXT();
        operations[count++] = pointwise(b, c, ADD, sum, bias, y);
        sum = y;
    }
    if (c->added >= 0) {
        cameo_cudnn_descriptor added = tensor(b, ID_ADDED, c->added, c->y, rank, 0), y = NEXT();
        operations[count++] = pointwise(b, c, ADD, sum, added, y);
        sum = y;
    }
    if (has_activation) operations[count++] = pointwise(b, c, c->activation, sum, NULL, NEXT());
#undef NEXT
    cameo_cudnn_descriptor all = make(b, GRAPH);
    put(b, all, GRAPH_HANDLE, T_HANDLE, 1, &handle);
    put(b, all, GRAPH_OPERATIONS, T_DESCRIPTOR, count, operations);
    return done(b, all, "the graph");
}

/// A plan of an engine's configuration; NULL where there is none within the limit.
static cameo_cudnn_plan *plan_of(const cameo_cudnn *library, cameo_cudnn_handle handle, cameo_cudnn_descriptor config, size_t limit) {
    cameo_cudnn_descriptor plan = NULL;
    if (library->create_descriptor(PLAN, &plan)) return NULL;
    int64_t workspace = 0, count = 0;
    cameo_cudnn_plan *made = NULL;
    if (!library->set(plan, PLAN_HANDLE, T_HANDLE, 1, &handle) && !library->set(plan, PLAN_CONFIG, T_DESCRIPTOR, 1, &config) &&
        !library->finalize(plan) && !library->get(plan, PLAN_WORKSPACE, T_INT64, 1, &count, &workspace) && workspace >= 0 &&
        (size_t)workspace <= limit) {
        made = calloc(1, sizeof *made);
    }
    if (!made) {
        library->destroy_descriptor(plan);
        return NULL;
    }
    made->library = library;
    made->plan = plan;
    made->workspace = (size_t)workspace;
    cameo_cudnn_descriptor engine = NULL;
    made->engine = -1;
    if (!library->create_descriptor(ENGINE, &engine)) {
        if (!library->get(config, ENGINE_CONFIG_ENGINE, T_DESCRIPTOR, 1, &count, &engine))
            library->get(engine, ENGINE_INDEX, T_INT64, 1, &count, &made->engine);
        library->destroy_descriptor(engine);
    }
    return made;
}

__attribute__((format(printf, 3, 4))) static void say(char *reason, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (size) vsnprintf(reason, size, format, arguments);
    va_end(arguments);
}

int32_t cameo_cudnn_plans(const cameo_cudnn *library, cameo_cudnn_handle handle, const cameo_cudnn_convolution *convolution, int32_t mode,
                          size_t limit, int32_t room, cameo_cudnn_plan **plans, char *reason, size_t size) {
    struct builder b = {.library = library};
    cameo_cudnn_descriptor whole = graph(&b, handle, convolution), heuristic = make(&b, HEURISTIC);
    put_descriptor(&b, heuristic, HEURISTIC_GRAPH, whole);
    put(&b, heuristic, HEURISTIC_MODE, T_HEURISTIC_MODE, 1, &mode);
    done(&b, heuristic, "the heuristic");
    int64_t count = 0;
    if (!b.status) note(&b, library->get(heuristic, HEURISTIC_RESULTS, T_DESCRIPTOR, 0, &count, NULL), "the heuristic's results");
    cameo_cudnn_descriptor configs[MOST_CONFIGS];
    int32_t made = 0, found = 0;
    if (count > MOST_CONFIGS) count = MOST_CONFIGS;
    while (!b.status && made < count) {
        note(&b, library->create_descriptor(ENGINE_CONFIG, &configs[made]), "a configuration");
        if (!b.status) made++;
    }
    if (!b.status && made) note(&b, library->get(heuristic, HEURISTIC_RESULTS, T_DESCRIPTOR, made, &count, configs), "the heuristic's results");
    for (int32_t i = 0; !b.status && i < count && found < room; i++) {
        cameo_cudnn_plan *plan = plan_of(library, handle, configs[i], limit);
        if (!plan) continue;
        plan->has_bias = convolution->has_bias;
        plan->has_added = convolution->added >= 0;
        plans[found++] = plan;
    }
    if (!found && b.status) {
        const char *text = library->error_string(b.status);
        say(reason, size, "cuDNN refuses %s: %s", b.step ? b.step : "it", text ? text : "for no reason that it gives");
    } else if (!found) {
        say(reason, size, "none of cuDNN's %d engines takes it", (int)count);
    }
    for (int32_t i = 0; i < made; i++) library->destroy_descriptor(configs[i]);
    destroy(&b);
    return found;
}

int64_t cameo_cudnn_text(const cameo_cudnn_plan *plan, char *text, int64_t room) {
    int64_t size = 0;
    if (plan->library->get(plan->plan, PLAN_TEXT, T_CHAR, room, &size, text)) return 0;
    return size;
}

cameo_cudnn_plan *cameo_cudnn_restore(const cameo_cudnn *library, cameo_cudnn_handle handle, const cameo_cudnn_convolution *convolution,
                                      const char *text, int64_t size) {
    cameo_cudnn_descriptor plan = NULL;
    if (library->create_descriptor(PLAN, &plan)) return NULL;
    int64_t workspace = 0, count = 0;
    cameo_cudnn_plan *made = NULL;
    if (!library->set(plan, PLAN_HANDLE, T_HANDLE, 1, &handle) && !library->set(plan, PLAN_TEXT, T_CHAR, size, text) &&
        !library->finalize(plan) && !library->get(plan, PLAN_WORKSPACE, T_INT64, 1, &count, &workspace) && workspace >= 0) {
        made = calloc(1, sizeof *made);
    }
    if (!made) {
        library->destroy_descriptor(plan);
        return NULL;
    }
    *made = (cameo_cudnn_plan){library, plan, (size_t)workspace, -1, convolution->has_bias, convolution->added >= 0};
    return made;
}

size_t cameo_cudnn_workspace(const cameo_cudnn_plan *plan) { return plan->workspace; }
int64_t cameo_cudnn_engine(const cameo_cudnn_plan *plan) { return plan->engine; }

void cameo_cudnn_release(cameo_cudnn_plan *plan) {
    plan->library->destroy_descriptor(plan->plan);
    free(plan);
}

int32_t cameo_cudnn_run(const cameo_cudnn_plan *plan, cameo_cudnn_handle handle, const void *x, const void *w, const void *bias,
                        const void *added, void *y, void *workspace) {
    const cameo_cudnn *library = plan->library;
    int64_t ids[5] = {ID_X, ID_W, ID_Y}, count = 3;
    const void *pointers[5] = {x, w, y};
    if (plan->has_bias) {
        ids[count] = ID_BIAS;
        pointers[count++] = bias;
    }
    if (plan->has_added) {
        ids[count] = ID_ADDED;
        pointers[count++] = added;
    }
    cameo_cudnn_descriptor pack = NULL;
    int32_t status = library->create_descriptor(VARIANT_PACK, &pack);
    if (status) return status;
    if (!status) status = library->set(pack, PACK_IDS, T_INT64, count, ids);
    if (!status) status = library->set(pack, PACK_POINTERS, T_POINTER, count, pointers);
    if (!status) status = library->set(pack, PACK_WORKSPACE, T_POINTER, 1, &workspace);
    if (!status) status = library->finalize(pack);
    if (!status) status = library->execute(handle, plan->plan, pack);
    library->destroy_descriptor(pack);
    return status;
}
