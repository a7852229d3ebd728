// Images of bytes: lookups, the largest of a window, the nearest position.

static void check_bytes(void) {
    for (int round = 0; round < 200; round++) {
        const size_t n = pick(0, 300);
        uint8_t *x = bytes(n), *y = raw(n), *table = bytes(256);
        ck_lookup_u8(y, x, table, n);
        for (size_t i = 0; i < n; i++) expect(y[i] == table[x[i]], "lookup of bytes");
        ck_lookup_u8(x, x, table, n);
        for (size_t i = 0; i < n; i++) expect(x[i] == y[i], "lookup of bytes in place");
        free(x), free(y), free(table);

        const ck_window w = random_window(rnd() % 4 ? 2 : 3);
        const bool is_signed = rnd() % 2;
        const size_t channels = pick(1, 150), batch = pick(1, 2), ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel);
        const size_t lines = batch * (size_t)(w.out[0] * w.out[1]), mid = pick(0, lines);
        uint8_t *in = bytes(batch * ni * channels), *out = raw(batch * no * channels);
        float *places = blanks(ni);
        ck_last_maxpool_u8(out, in, is_signed, channels, &w, 0, mid);
        ck_last_maxpool_u8(out, in, is_signed, channels, &w, mid, lines);
        for (size_t o = 0; o < batch * no; o++) {
            for (size_t c = 0; c < channels; c++) {
                int32_t best = is_signed ? -128 : 0;
                for (size_t tap = 0; tap < taps; tap++) {
                    const float *at = under(&w, places, (ptrdiff_t)(o % no), (ptrdiff_t)tap);
                    const int32_t v = at ? eight(in, (o / no * ni + (size_t)(at - places)) * channels + c, is_signed) : best;
                    best = v > best ? v : best;
                }
                expect(eight(out, o * channels + c, is_signed) == best, "largest of a window of bytes");
            }
        }
        free(in), free(out), free(places);

        const size_t width = pick(1, 70), planes = pick(1, 3), h = pick(1, 5), v = pick(1, 5), oh = pick(1, 9), ow = pick(1, 9);
        int32_t rows[9], cols[9];
        for (int i = 0; i < 9; i++) rows[i] = (int32_t)pick(0, h - 1), cols[i] = (int32_t)pick(0, v - 1);
        uint8_t *from = bytes(planes * h * v * width), *to = raw(planes * oh * ow * width);
        const size_t cut = pick(0, planes * oh);
        ck_nearest_bytes(to, from, width, h, v, oh, ow, rows, cols, 0, cut);
        ck_nearest_bytes(to, from, width, h, v, oh, ow, rows, cols, cut, planes * oh);
        for (size_t i = 0; i < planes * oh * ow * width; i++) {
            const size_t x0 = i / width % ow, y0 = i / width / ow % oh, plane = i / width / ow / oh;
            expect(to[i] == from[((plane * h + (size_t)rows[y0]) * v + (size_t)cols[x0]) * width + i % width], "nearest bytes");
        }
        free(from), free(to);
    }
}
