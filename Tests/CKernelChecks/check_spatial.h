// pool, conv, resize.

static ck_window random_window(int rank) {
    ck_window w;
    for (int d = 0; d < 3; d++) {
        const bool on = d >= 3 - rank;
        w.in[d] = on ? (ptrdiff_t)pick(1, d == 2 ? 50 : 9) : 1;
        w.kernel[d] = on ? (ptrdiff_t)pick(1, 5) : 1;
        w.stride[d] = on ? (ptrdiff_t)pick(1, 3) : 1;
        w.dilation[d] = on ? (ptrdiff_t)pick(1, 2) : 1;
        w.pad_begin[d] = on ? (ptrdiff_t)pick(0, 2) : 0;
        w.pad_end[d] = on ? (ptrdiff_t)pick(0, 2) : 0;
        const ptrdiff_t span = (w.kernel[d] - 1) * w.dilation[d] + 1;
        ptrdiff_t room = w.in[d] + w.pad_begin[d] + w.pad_end[d] - span;
        if (room < 0) {
            w.in[d] += -room;
            room = 0;
        }
        w.out[d] = room / w.stride[d] + 1;
    }
    return w;
}

/// The input element under output o, tap t; NULL in the padding.
static const float *under(const ck_window *w, const float *x, ptrdiff_t o, ptrdiff_t t) {
    ptrdiff_t at = 0;
    ptrdiff_t oi[3] = {o / w->out[2] / w->out[1], o / w->out[2] % w->out[1], o % w->out[2]};
    ptrdiff_t ti[3] = {t / w->kernel[2] / w->kernel[1], t / w->kernel[2] % w->kernel[1], t % w->kernel[2]};
    for (int d = 0; d < 3; d++) {
        const ptrdiff_t i = oi[d] * w->stride[d] + ti[d] * w->dilation[d] - w->pad_begin[d];
        if (i < 0 || i >= w->in[d]) return NULL;
        at = at * w->in[d] + i;
    }
    return x + at;
}
static size_t product3(const ptrdiff_t *x) { return (size_t)(x[0] * x[1] * x[2]); }

static void check_pool(void) {
    tally t = {"pooling", 0, 1e-6, 0};
    for (int round = 0; round < 500; round++) {
        const ck_window w = random_window((int)pick(1, 3));
        const size_t planes = pick(1, 4), ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel), cut = pick(0, planes);
        float *in = randoms(planes * ni, -2, 2), *out = blanks(planes * no), *mi = blanks(planes * no), *avg = blanks(planes * no),
              *avp = blanks(planes * no), *lp = blanks(planes * no);
        int64_t *at = raw(planes * no * 8);
        if (rnd() % 3 == 0) in[rnd() % (planes * ni)] = NAN;
        ck_maxpool_f32(out, NULL, in, &w, false, 0, cut);
        ck_maxpool_f32(out, NULL, in, &w, false, cut, planes);
        ck_maxpool_f32(mi, at, in, &w, false, 0, planes);
        ck_avgpool_f32(avg, in, &w, false, 0, cut);
        ck_avgpool_f32(avg, in, &w, false, cut, planes);
        ck_avgpool_f32(avp, in, &w, true, 0, planes);
        ck_lppool_f32(lp, in, &w, 2, 0, planes);
        for (size_t e = 0; e < planes * no; e++) {
            double m = -INFINITY, s = 0, q = 0;
            size_t inside = 0;
            for (size_t k = 0; k < taps; k++) {
                const float *p = under(&w, in + e / no * ni, (ptrdiff_t)(e % no), (ptrdiff_t)k);
                if (!p) continue;
                inside++;
                s += *p, q += (double)*p * *p;
                m = isnan(m) || isnan(*p) ? NAN : fmax(m, *p);
            }
            compare(&t, out[e], m, 1);
            compare(&t, mi[e], m, 1);
            if (inside) expect(isnan(mi[e]) || in[at[e]] == mi[e], "max pool indices");
            compare(&t, avg[e], s / (double)inside, 1);
            compare(&t, avp[e], s / (double)taps, 1);
            compare(&t, lp[e], sqrt(q), 5);
        }
        free(in), free(out), free(mi), free(avg), free(avp), free(lp), free(at);
    }
    report(&t);
}

static void check_conv(void) {
    tally t = {"conv: depthwise, direct", 0, 2e-6, 0}, tc = {"conv: im2col, col2im", 0, 1e-6, 0};
    for (int round = 0; round < 400; round++) {
        const int rank = (int)pick(1, 3);
        ck_window w = random_window(rank);
        const size_t ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel), batch = pick(1, 2), groups = pick(1, 3),
                     per = pick(1, 2), oper = pick(1, 2), ch = groups * per, oc = groups * oper;
        float *in = randoms(batch * ch * ni, -1, 1), *k = randoms(oc * per * taps, -1, 1), *bias = randoms(oc, -1, 1), *out = blanks(batch * oc * no);
        const ck_activation act = {(int[]){CK_UNARY_NONE, CK_UNARY_RELU, CK_UNARY_SIGMOID}[rnd() % 3], 0, 0};
        ck_conv_direct_f32(out, in, k, bias, ch, oc, groups, &w, 0, 1, &act);
        ck_conv_direct_f32(out, in, k, bias, ch, oc, groups, &w, 1, batch * oc, &act);
        for (size_t e = 0; e < batch * oc * no; e++) {
            const size_t o = e / no % oc, b = e / no / oc;
            double s = bias[o], mag = 1;
            for (size_t c = 0; c < per; c++) {
                for (size_t q = 0; q < taps; q++) {
                    const float *p = under(&w, in + (b * ch + o / oper * per + c) * ni, (ptrdiff_t)(e % no), (ptrdiff_t)q);
                    if (p) s += (double)*p * k[(o * per + c) * taps + q], mag += fabs((double)*p * k[(o * per + c) * taps + q]);
                }
            }
            compare(&t, out[e], unary_ref(act.op, s, 0, 0), mag);
        }
        if (rank <= 2) {
            const size_t mult = pick(1, 2), planes = batch * ch * mult, cut = pick(0, planes);
            float *dk = randoms(ch * mult * taps, -1, 1), *db = randoms(ch * mult, -1, 1), *dw = blanks(planes * no);
            void *scratch = raw(ck_conv_depthwise_scratch_bytes(&w));
            ck_conv_depthwise_f32(dw, in, dk, db, ch, mult, &w, 0, cut, &act, scratch);
            ck_conv_depthwise_f32(dw, in, dk, db, ch, mult, &w, cut, planes, &act, scratch);
            for (size_t e = 0; e < planes * no; e++) {
                const size_t c = e / no % (ch * mult);
                double s = db[c];
                for (size_t q = 0; q < taps; q++) {
                    const float *p = under(&w, in + e / no / mult * ni, (ptrdiff_t)(e % no), (ptrdiff_t)q);
                    if (p) s += (double)*p * dk[c * taps + q];
                }
                compare(&t, dw[e], unary_ref(act.op, s, 0, 0), 4);
            }
            free(dk), free(db), free(dw), free(scratch);
        }
        const size_t rows = ch * taps, r0 = pick(0, rows - 1), c0 = pick(0, no - 1), c1 = pick(c0 + 1, no), ld = c1 - c0 + 2;
        float *col = blanks((rows - r0) * ld), *full = randoms(rows * no, -1, 1), *image = raw(ch * ni * 4);
        double *want = calloc(ch * ni, 8);
        memset(image, 0, ch * ni * 4);
        ck_im2col_f32(col, ld, in, &w, r0, rows, c0, c1);
        ck_col2im_f32(image, full, no, &w, 0, ch);
        for (size_t r = 0; r < rows; r++) {
            for (size_t o = 0; o < no; o++) {
                const float *p = under(&w, in + r / taps * ni, (ptrdiff_t)o, (ptrdiff_t)(r % taps));
                if (r >= r0 && o >= c0 && o < c1) compare(&tc, col[(r - r0) * ld + o - c0], p ? *p : 0, 1);
                if (p) want[p - in] += full[r * no + o];
            }
        }
        for (size_t i = 0; i < ch * ni; i++) compare(&tc, image[i], want[i], 10);
        float *x = randoms(oc * no, -2, 2), *x0 = raw(oc * no * 4), *res = randoms(oc * no, -2, 2);
        memcpy(x0, x, oc * no * 4);
        ck_bias_act_rows(x, no, no, bias, oc, res, 0, oc, &act);
        for (size_t i = 0; i < oc * no; i++) compare(&t, x[i], unary_ref(act.op, (double)x0[i] + bias[i / no] + res[i], 0, 0), 4);
        free(in), free(k), free(bias), free(out), free(col), free(full), free(image), free(want), free(x), free(x0), free(res);
    }
    report(&t);
    report(&tc);
}

static void check_resize(void) {
    tally t = {"resize", 0, 2e-6, 0};
    for (int round = 0; round < 300; round++) {
        const size_t planes = pick(1, 3), ih = pick(1, 12), iw = pick(1, 40), oh = pick(1, 20), ow = pick(1, 50), th = pick(1, 4), tw = pick(1, 4);
        float *in = randoms(planes * ih * iw, -1, 1), *out = blanks(planes * oh * ow), *near = blanks(planes * oh * ow);
        float *wr = randoms(oh * th, -1, 1), *wc = randoms(ow * tw, -1, 1);
        int32_t *ri = raw(oh * th * 4), *ci = raw(ow * tw * 4);
        for (size_t i = 0; i < oh * th; i++) ri[i] = (int32_t)pick(0, ih - 1);
        for (size_t i = 0; i < ow * tw; i++) ci[i] = (int32_t)pick(0, iw - 1);
        void *scratch = raw(ck_resize_scratch_bytes(iw, ow));
        ck_resize_separable_f32(out, in, ih, iw, oh, ow, th, ri, wr, tw, ci, wc, 0, planes, scratch);
        ck_resize_nearest_f32(near, in, ih, iw, oh, ow, ri, ci, 0, 0, planes);
        for (size_t e = 0; e < planes * oh * ow; e++) {
            const float *x = in + e / ow / oh * ih * iw;
            const size_t r = e / ow % oh, c = e % ow;
            double s = 0;
            for (size_t i = 0; i < th; i++) {
                for (size_t j = 0; j < tw; j++) s += (double)wr[r * th + i] * wc[c * tw + j] * x[(size_t)ri[r * th + i] * iw + (size_t)ci[c * tw + j]];
            }
            compare(&t, out[e], s, 4);
            compare(&t, near[e], x[(size_t)ri[r] * iw + (size_t)ci[c]], 1);
        }
        free(in), free(out), free(near), free(wr), free(wc), free(ri), free(ci), free(scratch);
    }
    report(&t);
}
