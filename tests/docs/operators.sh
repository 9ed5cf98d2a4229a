# docs/operators.md is what the program lists: onnxcc ops --markdown > docs/operators.md makes it anew.
#
#   sh operators.sh ONNXCC
cd "$(dirname "$0")/../.." || exit 1
"$1" ops --markdown | diff docs/operators.md - && exit 0
echo "docs/operators.md is old: onnxcc ops --markdown > docs/operators.md"
exit 1
