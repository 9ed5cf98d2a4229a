# docs/codes.md is what the program lists, every code that a message can have is in it, and no other.
#
#   sh codes.sh ONNXCC
cd "$(dirname "$0")/../.." || exit 1
failed=0
"$1" check --explain all | diff docs/codes.md - || { echo "docs/codes.md is old: onnxcc check --explain all > docs/codes.md"; failed=1; }
# Commands that it names are there.
for verb in $(grep -o '`onnxcc [A-Za-z-][A-Za-z.-]*' docs/codes.md | cut -d' ' -f2 | sort -u); do
    case $verb in VERB | MODEL.onnx) continue ;; esac
    "$1" "$verb" --help > /dev/null 2>&1 || { echo "docs/codes.md names 'onnxcc $verb', which is no command"; failed=1; }
done

listed=$(sed -n 's/^CODE("\([a-z0-9-]*\)".*/\1/p' compiler/driver/codes.def | sort)
[ "$(echo "$listed" | uniq -d)" = "" ] || { echo "twice: $(echo "$listed" | uniq -d)"; failed=1; }
# Words with a hyphen in quotes are codes, but for these. Codes of one word stand behind a place, as arguments of a diag_... or infer_... call.
others='emx-fast-math|emx-onnx-cgen|openvino-bf16|generic-c99|libjpeg-dev|libpng-dev|mul-adds'
used=$({ grep -rhoE '"[a-z]+(-[a-z0-9]+)+"' compiler --include=*.c | tr -d '"' | grep -vxE "$others"
         grep -rhoE 'EXIT_[A-Z]+, [^"]*(""[^"]*)?"[a-z]+",|\b(infer|lower|version|spot)_(error|unsupported)\([^"]*"[a-z]+",' compiler --include=*.c | sed 's/.*"\([a-z]*\)",$/\1/'; } | sort -u)
for code in $used; do
    echo "$listed" | grep -qx -- "$code" || { echo "compiler/driver/codes.def lacks '$code'"; failed=1; }
done
for code in $listed; do
    grep -rqF "\"$code\"" compiler --include=*.c --include=*.h || { echo "no message has the code '$code'"; failed=1; }
done
exit $failed
