/* print_cases.h - the nests that test_print.c prints, compiles and runs: operators as lowering builds them, and the corners of the form. */

/* ---- maps ---- */

static void elementwise_cases(void)
{
    { /* y = max(x + bias over the last axis, 0) */
        const slot x = IN("x", FLOAT, c(3), c(5), c(37)), bias = IN("bias", FLOAT, c(37)), y = OUT("y", FLOAT, c(3), c(5), c(37));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(3)), j = nest_axis(&b, c(5)), l = nest_axis(&b, c(37));
        STORE(&b, y, BIN(MAX, BIN(ADD, LOAD(x, d(i), d(j), d(l)), LOAD(bias, d(l))), f(0)), d(i), d(j), d(l));
        end(&b, "bias_relu");
    }
    { /* one collapsed axis, a chain with shared parts and all the functions */
        const slot x = IN("x/in:0", FLOAT, c(4), c(50)), y = OUT("int", FLOAT, c(4), c(50));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(4)), j = nest_axis(&b, c(50));
        const ex v = LOAD(x, d(i), d(j)), g = BIN(MUL, BIN(MUL, f(0.5), v), BIN(ADD, f(1), UN(ERF, BIN(MUL, v, f(0.70710678)))));
        ex e = BIN(ADD, UN(TANH, g), BIN(MUL, UN(EXP, g), UN(LOG, UN(ABS, v))));
        e = BIN(SUB, BIN(DIV, e, UN(SQRT, BIN(ADD, BIN(MUL, v, v), f(1)))), BIN(POW, UN(ABS, g), f(1.7)));
        STORE(&b, y, BIN(ADD, e, BIN(MUL, UN(SIN, v), UN(FLOOR, BIN(MUL, v, f(3))))), d(i), d(j));
        end(&b, "functions");
    }
    { /* leaky relu: x used three times, once in a branch */
        const slot x = IN("x", FLOAT, c(77)), y = OUT("y", FLOAT, c(77));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(77));
        const ex v = LOAD(x, d(i));
        STORE(&b, y, ex_select(X, BIN(LT, v, f(0)), BIN(MUL, v, f(0.1)), v), d(i));
        end(&b, "leaky");
    }
    { /* where with a bool condition; logic on bools */
        const slot p = IN("p", BOOL, c(40)), q = IN("q", BOOL, c(40)), x = IN("x", FLOAT, c(40)), y = OUT("y", FLOAT, c(40)), z = OUT("z", BOOL, c(40));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(40));
        const ex u = LOAD(p, d(i)), v = LOAD(q, d(i));
        STORE(&b, y, ex_select(X, BIN(OR, u, UN(NOT, v)), LOAD(x, d(i)), f(-3)), d(i));
        STORE(&b, z, BIN(XOR, u, BIN(AND, v, BIN(LT, LOAD(x, d(i)), f(0.5)))), d(i));
        end(&b, "logic");
    }
    { /* NaN wins in max and min */
        const slot x = IN("x", FLOAT, c(33)), y = IN("w", FLOAT, c(33)), z = OUT("z", FLOAT, c(33));
        for (size_t j = 0; j < 33; j += 5) elem_set_double(ELEM_FLOAT, memory[j % 2 ? x : y], j, j % 3 ? (double)NAN : -(double)INFINITY);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(33));
        const ex u = LOAD(x, d(i)), v = LOAD(y, d(i));
        STORE(&b, z, BIN(MIN, BIN(MAX, BIN(MAX, u, v), f(-1)), UN(EXP, UN(NEG, u))), d(i));
        end(&b, "nan_wins");
    }
}

/* Types other than float32. */
static void type_cases(void)
{
    { /* int64 arithmetic, division by zero, negative modulo */
        const slot x = IN("x", INT64, c(41)), y = IN("y", INT64, c(41)), z = OUT("z", INT64, c(41));
        elem_set_int(ELEM_INT64, memory[y], 3, 0);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(41));
        const ex u = LOAD(x, d(i)), v = LOAD(y, d(i));
        STORE(&b, z, BIN(ADD, BIN(MUL, BIN(DIV, u, v), BIN(FMOD, u, v)), BIN(SUB, BIN(MOD, u, k(7)), UN(ABS, v))), d(i));
        end(&b, "int64_arithmetic");
    }
    { /* double */
        const slot x = IN("x", DOUBLE, c(6), c(9)), y = OUT("y", DOUBLE, c(6));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(6));
        const dim j = stage_axis(&b, c(9));
        const ex s = stage_fold(&b, FOLD_SUM, UN(EXP, LOAD(x, d(i), d(j))));
        nest_stage(&b);
        STORE(&b, y, UN(LOG, s), d(i));
        end(&b, "double_logsumexp");
    }
    { /* float16 and bfloat16 storage, rounding inside */
        const slot x = IN("x", FLOAT16, c(70)), y = IN("y", BFLOAT16, c(70)), z = OUT("z", FLOAT16, c(70));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(70));
        const ex s = ex_round(X, ELEM_FLOAT16, BIN(MUL, LOAD(x, d(i)), LOAD(y, d(i))));
        STORE(&b, z, BIN(ADD, s, f(0.25)), d(i));
        end(&b, "half_storage");
    }
    { /* casts that C leaves undefined */
        const slot x = IN("x", FLOAT, c(24)), y = OUT("y", INT32, c(24)), z = OUT("z", UINT8, c(24)), q = OUT("q", INT64, c(24));
        elem_set_double(ELEM_FLOAT, memory[x], 0, 1e20), elem_set_double(ELEM_FLOAT, memory[x], 1, -1e20), elem_set_double(ELEM_FLOAT, memory[x], 2, (double)NAN);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(24));
        const ex v = BIN(MUL, LOAD(x, d(i)), f(300));
        STORE(&b, y, ex_cast(X, CT_I32, v), d(i));
        STORE(&b, z, ex_cast(X, CT_I32, v), d(i));
        STORE(&b, q, ex_cast(X, CT_I64, v), d(i));
        end(&b, "casts");
    }
    for (int m = 0; m < 2; m++) { /* tables of bytes; the second case has rows that are long enough for many bytes at once */
        const int n = m ? 200 : 40;
        const slot x = IN("x", UINT8, c(5), c(n)), t = IN("t", INT8, c(256)), y = OUT("y", INT8, c(5), c(n + 3));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(5)), j = nest_axis(&b, c(n));
        STORE(&b, y, LOAD(t, ex_cast(X, CT_I64, LOAD(x, d(i), d(j)))), d(i), d(j));
        end(&b, m ? "looked_up_in_rows" : "looked_up");
    }
    { /* an int8 that is looked up, along a run-time dim */
        const dim n = symbol("n", 333);
        const slot x = IN("x", INT8, n), t = IN("t", UINT8, c(256)), y = OUT("y", UINT8, n);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, n);
        STORE(&b, y, LOAD(t, BIN(ADD, ex_cast(X, CT_I64, LOAD(x, d(i))), k(128))), d(i));
        end(&b, "looked_up_signed");
    }
    { /* every second byte */
        const slot x = IN("x", UINT8, c(83)), s = IN("s", INT8, c(82)), h = IN("h", BOOL, c(82)), y = OUT("y", INT32, c(41));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(41)), at = dim_mulc(D, i, 2);
        const ex sum = BIN(ADD, LOAD(x, d(dim_addc(D, at, 1))), BIN(MUL, LOAD(s, d(at)), LOAD(x, d(at))));
        STORE(&b, y, ex_select(X, LOAD(h, d(at)), sum, ex_i(X, CT_I32, -1)), d(i));
        end(&b, "every_second_byte");
    }
    { /* QuantizeLinear to uint8 and int8 */
        const slot x = IN("x", FLOAT, c(5), c(40)), s = IN("scale", FLOAT, c(5)), y = OUT("y", UINT8, c(5), c(40)), z = OUT("z", INT8, c(5), c(40));
        for (size_t j = 0; j < 5; j++) elem_set_double(ELEM_FLOAT, memory[s], j, 0.01 * (double)(j + 1));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(5)), j = nest_axis(&b, c(40));
        const ex q = UN(RINT, BIN(DIV, LOAD(x, d(i), d(j)), LOAD(s, d(i))));
        STORE(&b, y, ex_cast(X, CT_I32, BIN(MIN, BIN(MAX, BIN(ADD, q, f(128)), f(0)), f(255))), d(i), d(j));
        STORE(&b, z, ex_cast(X, CT_I32, BIN(MIN, BIN(MAX, q, f(-128)), f(127))), d(i), d(j));
        end(&b, "quantize");
    }
    { /* DequantizeLinear per tensor */
        const slot x = IN("x", INT8, c(100)), z = IN("zp", INT8, c(1)), y = OUT("y", FLOAT, c(100));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(100));
        STORE(&b, y, BIN(MUL, ex_cast(X, CT_F32, BIN(SUB, LOAD(x, d(i)), LOAD(z, k(0)))), f(0.037)), d(i));
        end(&b, "dequantize");
    }
    { /* quantized and back, of a sum across: the rounding acts on accumulators */
        const slot x = IN("x", FLOAT, c(4), c(3), c(50)), y = OUT("y", FLOAT, c(4), c(50)), z = OUT("z", INT8, c(4), c(50));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(4)), j = nest_axis(&b, c(50)), l = stage_axis(&b, c(3));
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(l), d(j)));
        nest_stage(&b);
        const ex q = ex_cast(X, CT_I32, BIN(MUL, s, f(400)));
        STORE(&b, y, BIN(ADD, ex_cast(X, CT_F32, ex_round(X, ELEM_UINT8, q)), ex_cast(X, CT_F32, ex_round(X, ELEM_INT8, q))), d(i), d(j));
        STORE(&b, z, ex_round(X, ELEM_INT16, q), d(i), d(j));
        end(&b, "narrow_rounding");
    }
    { /* packed int4 */
        const slot x = IN("x", INT4, c(31)), y = OUT("y", UINT4, c(31));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(31));
        STORE(&b, y, BIN(ADD, LOAD(x, d(i)), ex_i(X, CT_I32, 8)), d(i));
        end(&b, "int4");
    }
}

/* ---- movement ---- */

static slot byte_table(elem t)
{
    const slot s = tensor_of("table", t, SLOT_CONST, t == ELEM_UINT8 ? 255 : 127, SHAPE(c(256)));
    slot_at(P, s)->data = tensor_new(A, t, 1, (int64_t[]){256});
    memcpy((void *)(uintptr_t)slot_at(P, s)->data->data, memory[s], 256);
    return s;
}

static void lookup_cases(void)
{
    { /* a signed table by a signed byte, of an unsigned table by a byte; stored, and added up along the row */
        const slot x = IN("x", UINT8, c(5), c(45)), y = OUT("y", INT8, c(5), c(45)), z = OUT("z", FLOAT, c(5)), inner = byte_table(ELEM_UINT8), outer = byte_table(ELEM_INT8);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(5)), j = stage_axis(&b, c(45));
        const ex first = LOAD(inner, ex_cast(X, CT_I64, LOAD(x, d(i), d(j)))), second = LOAD(outer, ex_cast(X, CT_I64, first));
        STORE(&b, y, second, d(i), d(j));
        const ex s = stage_fold(&b, FOLD_SUM, BIN(MUL, ex_cast(X, CT_F32, second), f(0.03)));
        nest_stage(&b);
        STORE(&b, z, s, d(i));
        end(&b, "lookup_along");
    }
    { /* across, of what was clamped and rounded, 128 above a signed byte */
        const slot x = IN("x", FLOAT, c(3), c(4), c(21)), y = OUT("y", UINT8, c(3), c(21)), table = byte_table(ELEM_UINT8);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(3)), j = nest_axis(&b, c(21)), l = stage_axis(&b, c(4));
        const ex s = stage_fold(&b, FOLD_MAX, LOAD(x, d(i), d(l), d(j)));
        nest_stage(&b);
        const ex q = ex_cast(X, CT_I32, UN(RINT, BIN(MIN, BIN(MAX, BIN(MUL, s, f(90)), f(-128)), f(127))));
        STORE(&b, y, LOAD(table, BIN(ADD, ex_cast(X, CT_I64, q), k(128))), d(i), d(j));
        end(&b, "lookup_across");
    }
}

static void movement_cases(void)
{
    { /* transpose 0 2 1, and of the last axes only */
        const slot x = IN("x", FLOAT, c(3), c(18), c(21)), y = OUT("y", FLOAT, c(3), c(21), c(18));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(3)), j = nest_axis(&b, c(21)), l = nest_axis(&b, c(18));
        STORE(&b, y, LOAD(x, d(i), d(l), d(j)), d(i), d(j), d(l));
        end(&b, "transpose_021");
    }
    { /* of bytes: tiles and edges */
        const slot x = IN("x", INT8, c(2), c(21), c(37)), u = IN("u", UINT8, c(32), c(19)), y = OUT("y", INT8, c(2), c(37), c(21)), v = OUT("v", UINT8, c(19), c(32));
        nest_builder b = nest_begin(P);
        dim i = nest_axis(&b, c(2)), j = nest_axis(&b, c(37)), l = nest_axis(&b, c(21));
        STORE(&b, y, LOAD(x, d(i), d(l), d(j)), d(i), d(j), d(l));
        end(&b, "transpose_signed");
        b = nest_begin(P);
        i = nest_axis(&b, c(19));
        j = nest_axis(&b, c(32));
        STORE(&b, v, LOAD(u, d(j), d(i)), d(i), d(j));
        end(&b, "transpose_unsigned");
    }
    { /* slice with steps 2 and -1 */
        const slot x = IN("x", FLOAT, c(9), c(60)), y = OUT("y", FLOAT, c(9), c(29)), z = OUT("z", FLOAT, c(9), c(29));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(9)), j = nest_axis(&b, c(29));
        STORE(&b, y, LOAD(x, d(i), d(dim_addc(D, dim_mulc(D, j, 2), 1))), d(i), d(j));
        STORE(&b, z, LOAD(x, d(dim_sub(D, c(8), i)), d(dim_sub(D, c(40), j))), d(i), d(j));
        end(&b, "slice");
    }
    { /* pad */
        const slot x = IN("x", FLOAT, c(3), c(11), c(20)), y = OUT("y", FLOAT, c(3), c(14), c(25));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(3)), j = nest_axis(&b, c(14)), l = nest_axis(&b, c(25));
        const ex u = d(dim_addc(D, j, -1)), v = d(dim_addc(D, l, -2));
        STORE(&b, y, ex_select(X, BIN(AND, ex_in_range(X, u, c(11)), ex_in_range(X, v, c(20))), LOAD(x, d(i), u, v), f(9)), d(i), d(j), d(l));
        end(&b, "pad");
    }
    { /* reflected padding */
        const slot x = IN("x", FLOAT, c(3), c(70)), y = OUT("y", FLOAT, c(3), c(100));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(3)), j = nest_axis(&b, c(100));
        const dim p = dim_addc(D, j, -15), up = dim_max(D, p, dim_mulc(D, p, -1)), at = dim_min(D, up, dim_addc(D, dim_mulc(D, up, -1), 138));
        STORE(&b, y, LOAD(x, d(i), d(at)), d(i), d(j));
        end(&b, "reflect");
    }
    { /* gather of rows, good and bad indexes */
        for (int bad = 0; bad < 2; bad++) {
            const slot x = IN("x", FLOAT, c(7), c(33)), id = IN("id", INT64, c(5)), y = OUT("y", FLOAT, c(5), c(33));
            for (size_t j = 0; j < 5; j++) elem_set_int(ELEM_INT64, memory[id], j, (long long)j * 3 % 7 - (j % 2 ? 7 : 0));
            if (bad) elem_set_int(ELEM_INT64, memory[id], 3, 7);
            nest_builder b = nest_begin(P);
            const dim i = nest_axis(&b, c(5)), j = nest_axis(&b, c(33));
            STORE(&b, y, LOAD(x, ex_index(X, LOAD(id, d(i)), k(7)), d(j)), d(i), d(j));
            end(&b, bad ? "gather_outside" : "gather");
        }
    }
    { /* gather of single elements */
        const slot x = IN("x", FLOAT, c(40)), id = IN("id", INT32, c(50)), y = OUT("y", FLOAT, c(50));
        for (size_t j = 0; j < 50; j++) elem_set_int(ELEM_INT32, memory[id], j, (long long)(j * 7 % 40));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(50));
        STORE(&b, y, LOAD(x, ex_index(X, ex_cast(X, CT_I64, LOAD(id, d(i))), k(40))), d(i));
        end(&b, "gather_elements");
    }
    { /* one input of a concat */
        const slot x = IN("x", FLOAT, c(4), c(6), c(17)), y = OUT("y", FLOAT, c(4), c(10), c(17));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(4)), j = nest_axis(&b, c(6)), l = nest_axis(&b, c(17));
        STORE(&b, y, LOAD(x, d(i), d(j), d(l)), d(i), d(dim_addc(D, j, 4)), d(l));
        end(&b, "concat");
    }
    { /* reshape 12 x 20 -> 5 x 48 -> transposed, and one that does not divide */
        const slot x = IN("x", FLOAT, c(12), c(20)), y = OUT("y", FLOAT, c(48), c(5));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(48)), j = nest_axis(&b, c(5)), flat = dim_add(D, dim_mulc(D, j, 48), i);
        STORE(&b, y, LOAD(x, d(dim_fdiv(D, flat, c(20))), d(dim_mod(D, flat, c(20)))), d(i), d(j));
        end(&b, "reshape_transpose");
    }
    { /* resize nearest by 2 */
        const slot x = IN("x", FLOAT, c(2), c(9), c(16)), y = OUT("y", FLOAT, c(2), c(18), c(32));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(2)), j = nest_axis(&b, c(18)), l = nest_axis(&b, c(32));
        STORE(&b, y, LOAD(x, d(i), d(dim_fdiv(D, j, c(2))), d(dim_fdiv(D, l, c(2)))), d(i), d(j), d(l));
        end(&b, "resize");
    }
    { /* a triangular mask */
        const slot x = IN("x", FLOAT, c(19), c(34)), y = OUT("y", FLOAT, c(19), c(34));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(19)), j = nest_axis(&b, c(34));
        STORE(&b, y, ex_select(X, BIN(LE, d(j), d(dim_addc(D, i, 3))), LOAD(x, d(i), d(j)), f(-INFINITY)), d(i), d(j));
        end(&b, "triangle");
    }
    { /* range as float and int */
        const slot y = OUT("y", FLOAT, c(45)), z = OUT("z", INT32, c(45)), q = OUT("q", INT64, c(45));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(45));
        STORE(&b, y, BIN(MUL, ex_cast(X, CT_F32, d(dim_mulc(D, i, 3))), f(0.5)), d(i));
        STORE(&b, z, ex_cast(X, CT_I32, d(dim_addc(D, i, -5))), d(i));
        STORE(&b, q, d(dim_addc(D, i, 7)), d(i));
        end(&b, "range");
    }
}

/* ---- rows ---- */

static void softmax(const char *name, dim rows, dim n, bool first_axis)
{
    const slot x = first_axis ? IN("x", FLOAT, n, rows) : IN("x", FLOAT, rows, n), y = first_axis ? OUT("y", FLOAT, n, rows) : OUT("y", FLOAT, rows, n);
    const slot t = LOCAL("t", FLOAT, n);
    nest_builder b = nest_begin(P);
    const dim i = nest_axis(&b, rows);
    dim j = stage_axis(&b, n);
    const ex m = stage_fold(&b, FOLD_MAX, first_axis ? LOAD(x, d(j), d(i)) : LOAD(x, d(i), d(j)));
    nest_stage(&b);
    j = stage_axis(&b, n);
    const ex e = UN(EXP, BIN(SUB, first_axis ? LOAD(x, d(j), d(i)) : LOAD(x, d(i), d(j)), m));
    STORE(&b, t, e, d(j));
    const ex sum = stage_fold(&b, FOLD_SUM, e);
    nest_stage(&b);
    j = stage_axis(&b, n);
    if (first_axis) STORE(&b, y, BIN(DIV, LOAD(t, d(j)), sum), d(j), d(i));
    else STORE(&b, y, BIN(DIV, LOAD(t, d(j)), sum), d(i), d(j));
    end(&b, name);
}

static void layernorm(const char *name, dim rows, int64_t n)
{
    const slot x = IN("x", FLOAT, rows, c(n)), g = IN("gamma", FLOAT, c(n)), be = IN("beta", FLOAT, c(n)), y = OUT("y", FLOAT, rows, c(n));
    const slot s = tensor_of("rstd", ELEM_FLOAT, SLOT_LOCAL, 0, 0, NULL);
    nest_builder b = nest_begin(P);
    const dim i = nest_axis(&b, rows);
    dim j = stage_axis(&b, c(n));
    const ex mean = BIN(MUL, stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(j))), f(1.0 / (double)n));
    nest_stage(&b);
    j = stage_axis(&b, c(n));
    const ex v = BIN(SUB, LOAD(x, d(i), d(j)), mean);
    const ex var = BIN(MUL, stage_fold(&b, FOLD_SUM, BIN(MUL, v, v)), f(1.0 / (double)n));
    nest_stage(&b);
    stage_store(&b, s, 0, NULL, BIN(DIV, f(1), UN(SQRT, BIN(ADD, var, f(1e-5)))));
    nest_stage(&b);
    j = stage_axis(&b, c(n));
    const ex w = BIN(MUL, BIN(SUB, LOAD(x, d(i), d(j)), mean), load_at(s, 0, NULL));
    STORE(&b, y, BIN(ADD, BIN(MUL, w, LOAD(g, d(j))), LOAD(be, d(j))), d(i), d(j));
    end(&b, name);
}

static void row_cases(void)
{
    softmax("softmax_row", c(5), c(37), false);
    softmax("softmax_row_64", c(3), c(64), false);
    softmax("softmax_across", c(35), c(6), true);
    softmax("softmax_tiny", c(6), c(5), false);
    layernorm("layernorm", c(4), 100);
    layernorm("layernorm_768", c(2), 768);
    { /* reductions: all axes, first, last, middle */
        const slot x = IN("x", FLOAT, c(6), c(7), c(36)), y = OUT("y", FLOAT, c(6), c(36)), z = OUT("z", FLOAT, c(6));
        nest_builder b = nest_begin(P);
        dim i = nest_axis(&b, c(6)), l = nest_axis(&b, c(36));
        dim j = stage_axis(&b, c(7));
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(j), d(l))), m = stage_fold(&b, FOLD_MIN, LOAD(x, d(i), d(j), d(l)));
        nest_stage(&b);
        STORE(&b, y, BIN(ADD, s, m), d(i), d(l));
        end(&b, "reduce_middle");
        b = nest_begin(P);
        i = nest_axis(&b, c(6));
        j = stage_axis(&b, c(7));
        l = stage_axis(&b, c(36));
        const ex p = stage_fold(&b, FOLD_PROD, BIN(ADD, f(1), BIN(MUL, f(0.01), LOAD(x, d(i), d(j), d(l)))));
        nest_stage(&b);
        STORE(&b, z, p, d(i));
        end(&b, "reduce_product");
    }
    { /* sums down long columns: several vectors share the walk */
        const slot x = IN("x", FLOAT, c(21), c(150)), y = OUT("y", FLOAT, c(150)), z = OUT("z", FLOAT, c(3), c(150)), v = IN("v", FLOAT, c(3), c(21), c(150));
        nest_builder b = nest_begin(P);
        dim l = nest_axis(&b, c(150)), j = stage_axis(&b, c(21));
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(x, d(j), d(l)));
        nest_stage(&b);
        STORE(&b, y, BIN(MUL, s, f(0.5)), d(l));
        end(&b, "column_sums");
        b = nest_begin(P);
        const dim i = nest_axis(&b, c(3));
        l = nest_axis(&b, c(150)), j = stage_axis(&b, c(21));
        const ex m = stage_fold(&b, FOLD_MAX, LOAD(v, d(i), d(j), d(l))), q = stage_fold(&b, FOLD_SUM, LOAD(v, d(i), d(j), d(l)));
        nest_stage(&b);
        STORE(&b, z, BIN(SUB, m, q), d(i), d(l));
        end(&b, "column_max_minus_sum");
    }
    { /* ReduceSum of everything: no parallel axis */
        const slot x = IN("x", FLOAT, c(300)), y = tensor_of("y", ELEM_FLOAT, SLOT_OUTPUT, 1, 0, NULL);
        nest_builder b = nest_begin(P);
        const dim j = stage_axis(&b, c(300));
        const ex s = stage_fold(&b, FOLD_SUM, BIN(MUL, LOAD(x, d(j)), LOAD(x, d(j))));
        nest_stage(&b);
        stage_store(&b, y, 0, NULL, UN(SQRT, s));
        end(&b, "norm_of_all");
    }
    { /* max with NaN and -inf; any; int sum */
        const slot x = IN("x", FLOAT, c(4), c(50)), y = OUT("y", FLOAT, c(4)), z = OUT("z", BOOL, c(4)), q = IN("q", INT32, c(4), c(50)), w = OUT("w", INT32, c(4));
        elem_set_double(ELEM_FLOAT, memory[x], 77, (double)NAN);
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(4)), j = stage_axis(&b, c(50));
        const ex m = stage_fold(&b, FOLD_MAX, LOAD(x, d(i), d(j))), any = stage_fold(&b, FOLD_OR, BIN(LT, f(1.9), LOAD(x, d(i), d(j))));
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(q, d(i), d(j)));
        nest_stage(&b);
        STORE(&b, y, m, d(i));
        STORE(&b, z, any, d(i));
        STORE(&b, w, s, d(i));
        end(&b, "reduce_others");
    }
    { /* ArgMax: the maximum, then the first place where it is */
        const slot x = IN("x", FLOAT, c(5), c(60)), y = OUT("y", INT64, c(5));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(5));
        dim j = stage_axis(&b, c(60));
        const ex m = stage_fold(&b, FOLD_MAX, LOAD(x, d(i), d(j)));
        nest_stage(&b);
        j = stage_axis(&b, c(60));
        const ex at = stage_fold(&b, FOLD_MIN, ex_select(X, BIN(EQ, LOAD(x, d(i), d(j)), m), d(j), k(INT64_MAX)));
        nest_stage(&b);
        STORE(&b, y, at, d(i));
        end(&b, "argmax");
    }
}

/* ---- windows, scans, scatter ---- */

static void pool(const char *name, bool max, int64_t ch, int64_t h, int64_t w, int64_t kn, int64_t stride, int64_t pad)
{
    const int64_t oh = (h + 2 * pad - kn) / stride + 1, ow = (w + 2 * pad - kn) / stride + 1;
    const slot x = IN("x", FLOAT, c(ch), c(h), c(w)), y = OUT("y", FLOAT, c(ch), c(oh), c(ow));
    nest_builder b = nest_begin(P);
    const dim n = nest_axis(&b, c(ch)), i = nest_axis(&b, c(oh)), j = nest_axis(&b, c(ow));
    const dim r = stage_axis(&b, c(kn)), s = stage_axis(&b, c(kn));
    const ex u = d(dim_addc(D, dim_add(D, dim_mulc(D, i, stride), r), -pad)), v = d(dim_addc(D, dim_add(D, dim_mulc(D, j, stride), s), -pad));
    const ex inside = BIN(AND, ex_in_range(X, u, c(h)), ex_in_range(X, v, c(w)));
    if (max) {
        const ex m = stage_fold(&b, FOLD_MAX, ex_select(X, inside, LOAD(x, d(n), u, v), f(-INFINITY)));
        nest_stage(&b);
        STORE(&b, y, BIN(MAX, m, f(0)), d(n), d(i), d(j));
    } else {
        const ex sum = stage_fold(&b, FOLD_SUM, ex_select(X, inside, LOAD(x, d(n), u, v), f(0)));
        const ex count = stage_fold(&b, FOLD_SUM, ex_select(X, inside, f(1), f(0)));
        nest_stage(&b);
        STORE(&b, y, BIN(DIV, sum, count), d(n), d(i), d(j));
    }
    end(&b, name);
}

static void window_cases(void)
{
    pool("maxpool", true, 2, 12, 35, 3, 2, 1);
    pool("maxpool_stride_1", true, 2, 9, 40, 3, 1, 1);
    pool("averagepool", false, 3, 10, 21, 3, 1, 1);
    pool("averagepool_no_pad", false, 2, 8, 34, 2, 2, 0);
    { /* CumSum, inclusive and exclusive, along the last and along the first axis */
        const slot x = IN("x", FLOAT, c(6), c(20)), y = OUT("y", FLOAT, c(6), c(20)), z = OUT("z", FLOAT, c(6), c(20));
        nest_builder b = nest_begin(P);
        dim i = nest_axis(&b, c(6)), j = stage_axis(&b, c(20));
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(j)));
        STORE(&b, y, s, d(i), d(j));
        end(&b, "cumsum_row");
        b = nest_begin(P);
        j = nest_axis(&b, c(20));
        i = stage_axis(&b, c(6));
        const ex t = ex_acc(X, P->n_acc + 1, CT_F32);
        STORE(&b, z, t, d(i), d(j));
        stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(j)));
        end(&b, "cumsum_exclusive_across");
    }
    { /* ScatterND with repeated indexes, adding */
        const slot y = OUT("y", FLOAT, c(4), c(6), c(18)), id = IN("id", INT64, c(5), c(2)), u = IN("u", FLOAT, c(5), c(18));
        for (size_t j = 0; j < 10; j++) elem_set_int(ELEM_INT64, memory[id], j, (long long)(j % 4 ? j % 3 : 0));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(5)), j = nest_axis(&b, c(18));
        sink *s = STORE(&b, y, LOAD(u, d(i), d(j)), ex_index(X, LOAD(id, d(i), k(0)), k(4)), ex_index(X, LOAD(id, d(i), k(1)), k(6)), d(j));
        s->fold = FOLD_SUM;
        s->in_order = true;
        end(&b, "scatter_add");
    }
    { /* a guarded store, and one in place that reads what it writes */
        const slot x = IN("x", FLOAT, c(50)), y = OUT("y", FLOAT, c(20));
        nest_builder b = nest_begin(P);
        dim i = nest_axis(&b, c(50));
        STORE(&b, y, LOAD(x, d(i)), d(dim_addc(D, i, -10)))->guard = ex_in_range(X, d(dim_addc(D, i, -10)), c(20));
        end(&b, "guarded_store");
        const slot z = OUT("z", FLOAT, c(50));
        b = nest_begin(P);
        i = nest_axis(&b, c(50));
        const ex v = LOAD(z, d(i));
        STORE(&b, z, BIN(ADD, BIN(MUL, v, v), f(1)), d(i));
        STORE(&b, x, BIN(SUB, LOAD(z, d(i)), v), d(i));
        end(&b, "in_place");
    }
}

/* ---- shapes ---- */

static void dynamic_cases(void)
{
    const dim batch = symbol("batch", 3), len = symbol("seq_len", 29), none = symbol("none", 0);
    softmax("softmax_dynamic_rows", batch, c(40), false);
    softmax("softmax_dynamic_across", len, c(4), true);
    layernorm("layernorm_dynamic", batch, 48);
    { /* both dims at run time, collapsing to one axis; transposed: not */
        const slot x = IN("x", FLOAT, batch, len), y = OUT("y", FLOAT, batch, len), z = OUT("z", FLOAT, len, batch), q = OUT("q", FLOAT, batch);
        nest_builder b = nest_begin(P);
        dim i = nest_axis(&b, batch), j = nest_axis(&b, len);
        STORE(&b, y, BIN(MUL, LOAD(x, d(i), d(j)), f(2)), d(i), d(j));
        end(&b, "map_dynamic");
        b = nest_begin(P);
        i = nest_axis(&b, len);
        j = nest_axis(&b, batch);
        STORE(&b, z, LOAD(x, d(j), d(i)), d(i), d(j));
        end(&b, "transpose_dynamic");
        b = nest_begin(P);
        i = nest_axis(&b, batch);
        j = stage_axis(&b, len);
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(j)));
        nest_stage(&b);
        STORE(&b, q, BIN(DIV, s, ex_cast(X, CT_F32, d(len))), d(i));
        end(&b, "mean_dynamic");
    }
    { /* a padded convolution over a run-time length, and a pad of rows */
        const slot x = IN("x", FLOAT, c(3), len), k3 = IN("w", FLOAT, c(4), c(3), c(5)), y = OUT("y", FLOAT, c(4), len), z = OUT("z", FLOAT, c(3));
        nest_builder b = nest_begin(P);
        dim o = nest_axis(&b, c(4)), j = nest_axis(&b, len), i = stage_axis(&b, c(3)), r = stage_axis(&b, c(5));
        ex at = d(dim_addc(D, dim_add(D, j, dim_mulc(D, r, 2)), -4));
        ex v = ex_select(X, ex_in_range(X, at, len), LOAD(x, d(i), at), f(0));
        const ex sum = stage_fold(&b, FOLD_SUM, BIN(MUL, v, LOAD(k3, d(o), d(i), d(r))));
        nest_stage(&b);
        STORE(&b, y, sum, d(o), d(j));
        end(&b, "conv_dynamic");
        b = nest_begin(P);
        i = nest_axis(&b, c(3));
        j = stage_axis(&b, dim_addc(D, len, 9));
        at = d(dim_addc(D, j, -5));
        v = ex_select(X, ex_in_range(X, at, len), LOAD(x, d(i), at), f(0.5));
        const ex s = stage_fold(&b, FOLD_SUM, v);
        nest_stage(&b);
        STORE(&b, z, s, d(i));
        end(&b, "padded_sum_dynamic");
        const slot q = OUT("q", FLOAT, batch, dim_mulc(D, len, 2), len), u = IN("u", FLOAT, batch, dim_mulc(D, len, 2), len);
        b = nest_begin(P);
        i = nest_axis(&b, batch), o = nest_axis(&b, dim_mulc(D, len, 2)), j = nest_axis(&b, len); /* a pool: guards on rows and columns */
        r = stage_axis(&b, c(3));
        const dim t = stage_axis(&b, c(3)), ih = dim_addc(D, dim_add(D, o, r), -1), iw = dim_addc(D, dim_add(D, j, t), -1);
        const ex in = BIN(AND, ex_in_range(X, d(ih), dim_mulc(D, len, 2)), ex_in_range(X, d(iw), len));
        const ex m = stage_fold(&b, FOLD_MAX, ex_select(X, in, LOAD(u, d(i), d(ih), d(iw)), f(-INFINITY)));
        nest_stage(&b);
        STORE(&b, q, m, d(i), d(o), d(j));
        end(&b, "pool_dynamic");
    }
    { /* nothing to do */
        const slot x = IN("x", FLOAT, none, c(20)), y = OUT("y", FLOAT, none, c(20)), z = OUT("z", FLOAT, c(20));
        nest_builder b = nest_begin(P);
        dim i = nest_axis(&b, none), j = nest_axis(&b, c(20));
        STORE(&b, y, LOAD(x, d(i), d(j)), d(i), d(j));
        end(&b, "empty_map");
        b = nest_begin(P);
        j = nest_axis(&b, c(20));
        i = stage_axis(&b, none);
        const ex s = stage_fold(&b, FOLD_SUM, LOAD(x, d(i), d(j)));
        nest_stage(&b);
        STORE(&b, z, s, d(j));
        end(&b, "empty_sum");
    }
    { /* ones everywhere: no loop at all */
        const slot x = IN("x", FLOAT, c(1), c(1)), y = OUT("y", FLOAT, c(1), c(1));
        nest_builder b = nest_begin(P);
        const dim i = nest_axis(&b, c(1)), j = nest_axis(&b, c(1));
        STORE(&b, y, BIN(ADD, LOAD(x, d(i), d(j)), f(1)), d(i), d(j));
        end(&b, "one_element");
    }
}

static void build_cases(void)
{
    elementwise_cases();
    type_cases();
    lookup_cases();
    movement_cases();
    row_cases();
    window_cases();
    dynamic_cases();
}
