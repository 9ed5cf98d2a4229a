/* nms.c against a plain one that compares each candidate with each selected box: crowded boxes, equal scores, boxes without an area, NaN. */
#include "check.h"

static struct {
    int64_t batch, classes, boxes;
} shape;

#define CENTER (check_center)
#define BATCH shape.batch
#define CLASSES shape.classes
#define BOXES shape.boxes
#define HOOK_PARAMS
static int check_center;
#include "cpu/nms.c"

static void corners(const float *box, float *to)
{
    for (int axis = 0; axis < 2; axis++) {
        const float a = check_center ? box[axis] - box[axis + 2] / 2.0f : box[1 - axis], b = check_center ? box[axis] + box[axis + 2] / 2.0f : box[3 - axis];
        to[2 * axis] = fminf(a, b);
        to[2 * axis + 1] = fmaxf(a, b);
    }
}

static bool overlap(const float *p, const float *q, float limit)
{
    float a[4], b[4];
    corners(p, a);
    corners(q, b);
    const float w = fminf(a[1], b[1]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[2], b[2]);
    if (w <= 0.0f || h <= 0.0f) return false;
    const float both = w * h, first = (a[1] - a[0]) * (a[3] - a[2]), second = (b[1] - b[0]) * (b[3] - b[2]), all = first + second - both;
    return first > 0.0f && second > 0.0f && all > 0.0f && both / all > limit;
}

/* By taking the best that is left, again and again; the number of rows. */
static int64_t reference(int64_t *y, const float *boxes, const float *scores, const int64_t *most, const float *iou, const float *least)
{
    int64_t n = 0;
    for (int64_t row = 0; row < shape.batch * shape.classes; row++) {
        const float *s = scores + row * shape.boxes, *b = boxes + row / shape.classes * shape.boxes * 4;
        bool *gone = calloc((size_t)shape.boxes + 1, 1);
        const int64_t first = n;
        if (!gone) exit(3);
        while (most && n - first < *most) {
            int64_t best = -1;
            for (int64_t i = 0; i < shape.boxes; i++)
                if (!gone[i] && (!least || s[i] > *least) && (best < 0 || s[i] > s[best])) best = i;
            if (best < 0) break;
            gone[best] = true;
            bool keep = true;
            for (int64_t k = first; k < n; k++) keep &= !overlap(b + 4 * best, b + 4 * y[3 * k + 2], iou ? *iou : 0.0f);
            if (!keep) continue;
            y[3 * n] = row / shape.classes;
            y[3 * n + 1] = row % shape.classes;
            y[3 * n++ + 2] = best;
        }
        free(gone);
    }
    return n;
}

static void check_one(int64_t boxes)
{
    shape.batch = check_int(1, 2);
    shape.classes = check_int(1, 3);
    shape.boxes = boxes;
    check_center = (int)check_int(0, 1);
    const int64_t rows = shape.batch * shape.classes * boxes, most = check_int(0, 1) ? boxes : check_int(0, boxes);
    float *box = check_floats(shape.batch * boxes * 4), *score = check_floats(rows), *kept = check_floats((boxes + VL - 1) / VL * VL * 5);
    int64_t *y = malloc((size_t)(rows * 3 + 1) * sizeof *y), *want = malloc((size_t)(rows * 3 + 1) * sizeof *want), count = -1;
    int32_t *order = malloc((size_t)boxes * sizeof *order + 1);
    if (!y || !want || !order) exit(3);
    const float spread = check_int(0, 1) ? 1.0f : 40.0f, iou = (float)check_int(0, 8) / 10.0f, least = check_float();
    for (int64_t i = 0; i < shape.batch * boxes; i++) { /* around centers that are crowded or far apart */
        float *b = box + 4 * i;
        const float shift[2] = {spread * check_float(), spread * check_float()};
        for (int k = 0; k < (check_center ? 2 : 4); k++) b[k] += shift[k % 2];
        if (check_int(0, 9) == 0) b[check_int(0, 3)] = check_int(0, 2) ? check_int(0, 1) ? NAN : INFINITY : 0.0f;
        if (check_int(0, 9) == 0 && !check_center) b[2] = b[0];
    }
    for (int64_t i = 0; i < rows; i++)
        if (check_int(0, 2) == 0) score[i] = score[check_int(0, i)];
    const float *const limit = check_int(0, 3) ? &iou : NULL, *const floor = check_int(0, 1) ? &least : NULL;
    const int64_t n = reference(want, box, score, &most, limit, floor);
    nms(y, &count, box, score, &most, limit, floor, order, kept);
    if (count != n) check_fail("the number of boxes", (double)count, (double)n);
    for (int64_t i = 0; i < 3 * n; i++)
        if (y[i] != want[i]) check_fail("a selected box", (double)y[i], (double)want[i]);
    nms(y, &count, box, score, NULL, limit, floor, order, kept);
    if (count != 0) check_fail("the number of boxes where none are asked for", (double)count, 0);
    free(box), free(score), free(kept), free(y), free(want), free(order);
}

int main(void)
{
    for (int i = 0; i < 300; i++) check_one(check_int(0, i < 200 ? 40 : 200));
    return 0;
}
