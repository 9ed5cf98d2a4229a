/* What of a helper header goes into generated code: emit/trim.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "emit/trim.h"

static const char HEADER[] = "/* head.h - what it is */\n"
                             "#ifndef HEAD_H\n#define HEAD_H\n"
                             "#include <math.h>\n"
                             "#if defined(__GNUC__)\n#define FN static inline __attribute__((unused))\n#else\n#define FN static inline\n#endif\n"
                             "\n/* ---- types ---- */\n"
                             "typedef float vf __attribute__((vector_size(4 * VL)));\n"
                             "\n/* ---- numbers ---- */\n"
                             "/* The larger. */\n"
                             "FN float sf_max(float a, float b) { return a > b ? a : b; }\n"
                             "FN float sf_min(float a, float b)\n{\n    return a < b ? a : b; /* not sf_max */\n}\n"
                             "#if VL == 1\nFN float pick(void) { return 1; }\n#elif VL == 8 && defined(__AVX2__)\n#define WIDE 1\n#else\nFN float pick(void) { return 2; }\n#endif\n"
                             "#if defined(WIDE)\nFN float pick(void) { return sf_max(1, 2); }\n#endif\n"
                             "#define PAIR(S, T)                                   \\\n    FN T S##_one(void) { return 1; }                 \\\n    FN T S##_two(void) { return S##_one() + S##_one(); }\n"
                             "#define ALL(S, T) PAIR(S, T)\n"
                             "ALL(sf, float)\nALL(si, int)\n"
                             "#endif\n";

static const char *trimmed(const char *users, int vl)
{
    static arena *a;
    if (a) arena_free(a);
    a = arena_new();
    text out = {.mem = a};
    text_add(&out, "");
    trim_header(a, HEADER, users, vl, &out);
    return out.p;
}

static void what_nobody_names_goes_and_comments_with_it(void **state)
{
    (void)state;
    assert_string_equal(trimmed("x = sf_min(1, 2); /* sf_max */ s = \"vf\";", 4),
                        "#include <math.h>\n"
                        "#if defined(__GNUC__)\n#define FN static inline __attribute__((unused))\n#else\n#define FN static inline\n#endif\n"
                        "\n/* ---- numbers ---- */\n"
                        "FN float sf_min(float a, float b)\n{\n    return a < b ? a : b; /* not sf_max */\n}\n");
    assert_non_null(strstr(trimmed("sf_max(a, b)", 4), "/* The larger. */\nFN float sf_max"));
    assert_non_null(strstr(trimmed("vf v;", 4), "/* ---- types ---- */\ntypedef float vf"));
}

static void macros_that_define_functions_become_the_functions_that_are_used(void **state)
{
    (void)state;
    const char *s = trimmed("sf_two()", 4);
    assert_non_null(strstr(s, "FN float sf_one(void) { return 1; }\nFN float sf_two(void) { return sf_one() + sf_one(); }\n"));
    assert_null(strstr(s, "si_"));
    assert_null(strstr(s, "PAIR"));
}

static void conditions_on_the_vector_length_are_decided_and_others_stay_whole(void **state)
{
    (void)state;
    assert_non_null(strstr(trimmed("pick()", 1), "\nFN float pick(void) { return 1; }\n"));
    assert_null(strstr(trimmed("pick()", 1), "VL"));
    assert_non_null(strstr(trimmed("pick()", 4), "\nFN float pick(void) { return 2; }\n"));
    const char *s = trimmed("pick()", 8);
    assert_non_null(strstr(s, "#if VL == 8 && defined(__AVX2__)\n#define WIDE 1\n#else\nFN float pick(void) { return 2; }\n#endif\n"
                              "#if defined(WIDE)\nFN float pick(void) { return sf_max(1, 2); }\n#endif\n"));
    assert_non_null(strstr(s, "FN float sf_max"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_names_goes_and_comments_with_it),
        cmocka_unit_test(macros_that_define_functions_become_the_functions_that_are_used),
        cmocka_unit_test(conditions_on_the_vector_length_are_decided_and_others_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
