#!/bin/sh
# A folder of compiler/ includes only folders before it in the pipeline, and only proto/ and check/ (with the generated code) see protobuf.
# base <- ir, schema <- proto <- check; ir <- expr <- ops <- passes <- plan <- emit <- driver.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
bad=0
deny() { # FOLDER FORBIDDEN...
    folder=$1
    shift
    for other; do
        if grep -n "#include \"$other/" "$top"/compiler/"$folder"/*.[ch] 2>/dev/null; then bad=1; fi
    done
}
deny base ir schema proto check expr ops passes plan target emit driver
deny ir schema proto check expr ops passes plan target emit driver
deny expr ops passes plan target emit driver
deny ops plan target emit driver
deny passes plan emit driver
deny quant plan target emit driver
deny plan passes emit driver
deny emit passes driver
if grep -ln 'onnx.pb-c.h' "$top"/compiler/*/*.[ch] | grep -v -e /proto/ -e /check/; then bad=1; fi
exit $bad
