# Text tests of passes over the graph: tests/passes/PASS/NAME.onnxtxt goes in, NAME.expected is the model after that pass: of the main road
# (--dump=PASS; sequences are resolved before any, so --dump=identity; NAME.options holds more) for the passes that were made for it, else as `onnxcc optimize --passes PASS --verify-passes` writes it, at the model's own opset
# (--for=onnxruntime when NAME says so).
#
#   sh tests/passes/run.sh ONNXCC PASS       UPDATE=1 in the environment writes the expectations anew
set -u
onnxcc=$1
pass=$2
folder=$(dirname "$0")/$pass
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
for model in "$folder"/*.onnxtxt; do
    expected=${model%.onnxtxt}.expected
    case $pass in
        identity | integer | batchnorm | cse) "$onnxcc" compile "$model" --name=m --target=generic-c99 --dump="$pass" > "$work/got" 2> "$work/err" ;;
        sequence) "$onnxcc" compile "$model" --name=m --target=generic-c99 --dump=identity $(cat "${model%.onnxtxt}.options" 2> /dev/null) > "$work/got" 2> "$work/err" ;;
        *)
            case $model in *onnxruntime*) reader=onnxruntime ;; *) reader=portable ;; esac
            "$onnxcc" optimize "$model" -o "$work/got.onnxtxt" --passes "$pass" --for=$reader --verify-passes -q 2> "$work/err" && cp "$work/got.onnxtxt" "$work/got"
            ;;
    esac
    if [ $? != 0 ]; then
        echo "FAIL $model"
        cat "$work/err"
        bad=1
    elif [ "${UPDATE:-}" = 1 ]; then
        cp "$work/got" "$expected"
    elif ! diff -u "$expected" "$work/got"; then
        echo "FAIL $model"
        bad=1
    fi
done
exit $bad
