# What the tests of the command line share. A test is `sh TEST ONNXCC`: it runs in an empty folder with the files of files.sh, and fails at the first
# expectation that does not hold.
onnxcc=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
. "$here/files.sh"
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME

# expect CODE ARGUMENT...: runs onnxcc, output in `out`, messages in `err`; its exit code must be CODE.
expect() {
    wanted=$1
    shift
    "$onnxcc" "$@" > out 2> err
    got=$?
    [ $got -eq "$wanted" ] || fail "'$*' left with $got, expected $wanted"
}
# says FILE TEXT...: the file has a line with each text.
says() {
    file=$1
    shift
    for words; do grep -qF -e "$words" "$file" || fail "no '$words' in $file"; done
}
fail() {
    echo "FAILED: $1"
    echo "--- out"; cat out
    echo "--- err"; cat err
    exit 1
}
