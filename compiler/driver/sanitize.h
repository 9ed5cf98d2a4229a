/* sanitize.h - `--sanitize`: generated code built with AddressSanitizer and UndefinedBehaviorSanitizer, so that a wrong access or an undefined
 * operation in it ends the run with a report.
 *
 * A library built so can only be loaded into a process that has had the sanitizer's runtime since its start; sanitize_enter provides for that. */
#ifndef ONNXCC_DRIVER_SANITIZE_H
#define ONNXCC_DRIVER_SANITIZE_H
#include "base/diag.h"

/* Flags for the C compiler, blank-separated. */
extern const char SANITIZE_FLAGS[];

/* Is AddressSanitizer's runtime part of this process? Its malloc then puts guards around blocks, and limits of address space can't be set. */
bool sanitizer_loaded(void);

/* Makes sure of the runtime: starts this program again with it loaded first, unless it is there. Returns only then, or false after an error. */
bool sanitize_enter(arena *a, diag *d, char *const *argv);
#endif
