# Generated code shown in README.md and docs/ is what onnxcc writes today, and what is said to be missing is:   excerpts.sh ONNXCC
#
# Above such a block stands <!-- excerpt: FILE of onnxcc ARGUMENTS -->. Its lines, apart from `...` and blank ones, must stand in FILE in this order.
onnxcc=$1
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fault=0
count=0
for page in README.md docs/*.md; do
    grep -n '^<!-- excerpt: ' "$page" > "$work/marks"
    while IFS= read -r mark; do
        line=${mark%%:*}
        file=$(printf '%s\n' "$mark" | sed 's/.*excerpt: \([^ ]*\) of .*/\1/')
        arguments=$(printf '%s\n' "$mark" | sed 's/.* of onnxcc \(.*\) -->/\1/')
        rm -rf "$work/out"
        # shellcheck disable=SC2086
        "$onnxcc" $arguments -o "$work/out" || { fault=1; continue; }
        awk -v from="$line" 'NR > from && /^```/ { if (on) exit; on = 1; next } on && !/^ *(\.\.\.)?$/' "$page" > "$work/wanted"
        count=$((count + 1))
        awk -v page="$page:$line" 'NR == FNR { want[++n] = $0; next } at < n && $0 == want[at + 1] { at++ }
             END { if (!n || at < n) { print page ": not in the generated code (or not in this order): " want[at + 1]; exit 1 } }' \
            "$work/wanted" "$work/out/$file" || fault=1
    done < "$work/marks"
done
# Operators that the README says are missing are.
"$onnxcc" ops > "$work/ops"
for name in $(sed -n '/^- \*\*Operators\*\*/,/^- \*\*Quant/p' README.md | tr -c 'A-Za-z\n' ' ' | tr ' ' '\n' | grep -E '^[A-Z][A-Za-z]+[A-Z]'); do
    grep -q "^ai.onnx  *$name " "$work/ops" && { echo "README.md: $name is there now"; fault=1; }
done
[ $count -gt 0 ] || { echo "no excerpt found"; fault=1; }
exit $fault
