# Broken files: compile says in one line what is wrong, leaves with 3, 5 or 6, and writes nothing. Never a signal, never a sanitizer's report.
. "$(dirname "$0")/lib.sh"
sample=$here/../../samples/digits/digits.onnx

# refused FILE [CODE]
refused() {
    "$onnxcc" compile "$1" -o gen > out 2> err
    got=$?
    case $got in 3|5|6) ;; *) fail "$1 left with $got" ;; esac
    [ $got -eq "${2:-$got}" ] || fail "$1 left with $got, expected $2"
    [ "$(grep -c 'error: ' err)" -eq 1 ] || fail "$1: not one line with an error"
    [ ! -s out ] || fail "$1: something on standard output"
    [ ! -e gen ] || fail "$1: left output"
}

# ---- a file cut short, at every 37th byte ----
size=$(wc -c < "$sample")
at=0
while [ "$at" -lt "$size" ]; do
    head -c "$at" "$sample" > cut.onnx
    refused cut.onnx
    at=$((at + 37))
done

# ---- graphs in graphs, 3,000 deep: If { then_branch: graph { If { ... } } }, written from outside in ----
awk '
    function varint(v,   s) {
        while (v > 127) { s = s sprintf("\\%03o", v % 128 + 128); v = int(v / 128) }
        return s sprintf("\\%03o", v)
    }
    function bytes(v,   n) { for (n = 1; v > 127; n++) v = int(v / 128); return n }
    BEGIN {
        depth = 3000
        for (k = 1; k <= depth; k++) {
            attribute[k] = 16 + 1 + bytes(graph[k - 1]) + graph[k - 1] # name "then_branch" (13), type GRAPH (3), the graph
            node[k] = 4 + 1 + bytes(attribute[k]) + attribute[k]       # op_type "If"
            graph[k] = 1 + bytes(node[k]) + node[k]
        }
        print "\\010\\010B\\002\\020\\015:" varint(graph[depth])
        for (k = depth; k; k--) print "\\012" varint(node[k]) "\\042\\002If*" varint(attribute[k]) "\\012\\013then_branch\\240\\001\\0052" varint(graph[k - 1])
    }' > nested.txt
while IFS= read -r bytes; do printf "$bytes"; done < nested.txt > nested.onnx
refused nested.onnx

# ---- y = Identity(w) with a broken constant w ----
# field KEY FILE: a field of a message, as its key's byte (octal) and length
field() {
    n=$(wc -c < "$2")
    printf "\\$1"
    while [ "$n" -gt 127 ]; do printf "\\$(printf %03o $((n % 128 + 128)))"; n=$((n / 128)); done
    printf "\\$(printf %03o "$n")"
    cat "$2"
}
# constant NAME TENSOR (as an argument of printf): the model NAME.onnx
constant() {
    printf "$2\\020\\001B\\001w" > tensor
    { printf '\012\020\012\001w\022\001y\042\010Identity\022\001g'; field 052 tensor; printf 'b\011\012\001y\022\004\012\002\010\001'; } > graph
    { printf '\010\010B\002\020\015'; field 072 graph; } > "$1.onnx"
}
one='J\004\000\000\200\077'
huge='\010\377\377\377\377\377\377\377\377\177'
constant whole "\\010\\001$one"
expect 0 compile whole.onnx -o whole
constant negative "\\010\\377\\377\\377\\377\\377\\377\\377\\377\\377\\001$one"
constant most_negative "\\010\\200\\200\\200\\200\\200\\200\\200\\200\\200\\001$one"
constant huge "$huge$one"
constant huge_product "$huge$huge$one"
constant product_wraps_to_zero "\\010\\200\\200\\200\\200\\200\\200\\200\\200\\100\\010\\004$one" # 2^62 * 4
constant too_short "\\010\\002$one"
constant too_long "\\010\\001J\\005\\000\\000\\200\\077\\000"
constant no_data "\\010\\003"
constant gone '\010\001p\001j\024\012\010location\022\010gone.bin'
constant outside '\010\001p\001j\027\012\010location\022\013../gone.bin'
constant no_location '\010\001p\001'
for name in negative most_negative huge huge_product product_wraps_to_zero too_short too_long no_data outside no_location; do refused $name.onnx; done
refused gone.onnx 5
says err gone.bin

# ---- declared shapes that no memory holds: y = Relu(x) ----
# shaped NAME DIM...: each DIM a varint, as an argument of printf
shaped() {
    name=$1
    shift
    : > shape
    for dim; do printf "\\010$dim" > dim; field 012 dim; done > shape
    { printf '\010\001'; field 022 shape; } > type
    field 012 type > value
    { printf '\012\001x'; field 022 value; } > x
    { printf '\012\001y'; field 022 value; } > y
    { printf '\012\014\012\001x\022\001y\042\004Relu\022\001g'; field 132 x; field 142 y; } > graph
    { printf '\010\010B\002\020\015'; field 072 graph; } > "$name.onnx"
}
shaped small '\002'
expect 0 compile small.onnx -o small
shaped below '\376\377\377\377\377\377\377\377\377\001'
shaped vast '\377\377\377\377\377\377\377\377\177'
shaped vast_product '\200\200\200\200\200\200\200\200\100' '\200\200\200\200\200\200\200\200\100'
for name in below vast vast_product; do refused $name.onnx; done

# ---- no model at all ----
: > empty.onnx
refused empty.onnx
refused nowhere.onnx 5
mkdir folder.onnx
refused folder.onnx 5
head -c 4096 /dev/zero > zeros.onnx
refused zeros.onnx
