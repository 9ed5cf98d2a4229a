# Strings: constants in every form of weights, what is refused.
. "$(dirname "$0")/lib.sh"
cat > names.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
names (int64[n] i) => (y)
<string[3] c = {"one", "", "three"}>
{
    y = Gather(c, i)
}
EOF
cat > i.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
t () => (int64[4] y)
<int64[4] c = {2, 1, 0, -1}>
{
    y = Identity(c)
}
EOF
expect 0 run i.onnxtxt -o i.npy
for form in c string file; do
    expect 0 run names.onnxtxt i=i.npy --weights $form
    says out '"three" "" "one" "three"'
done
cat > number.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
number (string[n] x) => (float[n] y)
{
    y = Cast<to = 1>(x)
}
EOF
expect 0 compile number.onnxtxt -o number
cat > texts.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
texts (float[n] x) => (s, y, z)
<string[2] c = {"1e3", "-.5"}, string[2] d = {"7", "seven"}, int64[1] one = {1}>
{
    f = Cast<to = 1>(c)
    y = Mul(x, f)
    s = Cast<to = 8>(y)
    a = Cast<to = 8>(one)
    t = Concat<axis = 0>(a, d)
    z = Cast<to = 7>(t)
}
EOF
cat > two.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
t () => (float[2] y)
<float[2] c = {0.25, 2e30}>
{
    y = Identity(c)
}
EOF
expect 0 run two.onnxtxt -o two.npy
expect 1 run texts.onnxtxt x=two.npy
says err "a string that is to become a number is none"
sed 's/"seven"/" +07 "/' texts.onnxtxt > good.onnxtxt
expect 0 run good.onnxtxt x=two.npy
says out '"250" "-1e+30"' 'z: int64[3] = 1 7 7'
expect 0 run good.onnxtxt x=two.npy --target=cuda --emulate
says out '"250" "-1e+30"' 'z: int64[3] = 1 7 7'

# New strings lie in a pool that needs a capacity; a run that needs more says so.
cat > twice.onnxtxt <<'EOF'
<ir_version: 10, opset_import: ["" : 20]>
twice (int64[n] i) => (y)
<string[3] c = {"one", "", "three"}>
{
    x = Gather(c, i)
    y = StringConcat(x, x)
}
EOF
expect 4 compile twice.onnxtxt -o out
says err "the size 'bytes.y' is decided by data" "--dim bytes.y=..N"
expect 0 run twice.onnxtxt i=i.npy --dim bytes.y=..26
says out '"threethree" "" "oneone" "threethree"'
expect 1 run twice.onnxtxt i=i.npy --dim bytes.y=..25
expect 0 inspect twice.onnxtxt
says out "bytes.y: no bound"

# Regular expressions: what is wrong is no valid model, what RE2 has more is not supported.
match() {
    printf '<ir_version: 10, opset_import: ["" : 20]>\nmatch (string[n] x) => (y)\n{\n    y = RegexFullMatch<pattern = "%s">(x)\n}\n' "$1" > match.onnxtxt
}
match '(ab'
expect 3 compile match.onnxtxt -o out
says err "no regular expression: a ( without )"
match '[\\bab]'
expect 4 compile match.onnxtxt -o out
says err "[regex]"
match '(?m)^ab'
expect 4 compile match.onnxtxt -o out
says err "(?m)"

# ZipMap as an output: the keys, and a row of values for each map.
cat > map.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
map (float[n,2] x) => (seq(map(string, float)) m)
{
    m = ai.onnx.ml.ZipMap<classlabels_strings = ["no", "yes"]>(x)
}
EOF
cat > x.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
t () => (float[2,2] y)
<float[2,2] c = {1, 2, 3, 4}>
{
    y = Identity(c)
}
EOF
expect 0 run x.onnxtxt -o x.npy
expect 0 run map.onnxtxt x=x.npy
says out 'm.keys: string[2] = "no" "yes"' 'm.values: float[2,2] = 1 2 3 4'
sed 's/"no", //' map.onnxtxt > few.onnxtxt
expect 3 compile few.onnxtxt -o few
says err "1 keys for 2 values"

# A map as an input: its keys and its values.
cat > words.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
words (map(int64, float) w) => (y, z, v)
{
    y = ai.onnx.ml.DictVectorizer<int64_vocabulary = [2, 5, 1, 0]>(w)
    z = ai.onnx.ml.CastMap<cast_to = "TO_STRING", map_form = "SPARSE", max_map = 3>(w)
    v = ai.onnx.ml.CastMap(w)
}
EOF
sed 's/c = {2, 1, 0, -1}/c = {2, 1, 0, 5}/' i.onnxtxt > keys.onnxtxt
sed 's/float\[2,2\]/float[4]/g' x.onnxtxt > values.onnxtxt
expect 0 run keys.onnxtxt -o keys.npy
expect 0 run values.onnxtxt -o values.npy
expect 1 run words.onnxtxt w.keys=keys.npy w.values=values.npy
says err "outside its tensor"
sed 's/max_map = 3/max_map = 7/' words.onnxtxt > all.onnxtxt
expect 0 run all.onnxtxt w.keys=keys.npy w.values=values.npy
says out 'y: float[1,4] = 1 4 2 3' '"3" "2" "1" "0.f" "0.f" "4"' 'v: float[1,4] = 3 2 1 4'
expect 2 run all.onnxtxt w.key=keys.npy w.values=values.npy
says err "the model has no input 'w.key'"
cat > held.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
held (map(int64, float) w) => (seq(map(int64, float)) y)
{
    y = SequenceConstruct(w)
}
EOF
expect 4 compile held.onnxtxt -o held
says err "is a map, which this operator does not take yet"

# In a loop, the strings of all turns stay; their bytes have one capacity.
cat > grow.onnxtxt <<'EOF'
<ir_version: 10, opset_import: ["" : 20]>
grow (int64[n] x, int64 trip) => (s, t)
<string start = {"<"}>
{
    s, t = Loop(trip, , start) <body = body (int64 i, bool go, string a) => (bool go1, string b, string[n] u)
    {
        go1 = Identity(go)
        d = Cast<to = 8>(i)
        b = StringConcat(a, d)
        v = Add(x, i)
        u = Cast<to = 8>(v)
    }>
}
EOF
cat > four.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
t () => (int64 y)
<int64 c = {4}>
{
    y = Identity(c)
}
EOF
expect 0 run four.onnxtxt -o four.npy
expect 4 compile grow.onnxtxt -o grow
says err "--dim bytes.d=..N" "--dim bytes.b=..N"
expect 0 run grow.onnxtxt x=keys.npy trip=four.npy --dim trip.s=..9 --dim bytes.b=..14
says out 's: string[] = "<0123"' 't: string[4,4] = "2" "1" "0" "5" "3" "2" "1" "6"'
expect 1 run grow.onnxtxt x=keys.npy trip=four.npy --dim trip.s=..9 --dim bytes.b=..13
expect 1 run grow.onnxtxt x=keys.npy trip=four.npy --dim trip.s=..3 --dim bytes.b=..99
