# Which steps the plan splits over threads: what is long enough, neighbours at the same row.
. "$(dirname "$0")/lib.sh"
net() { # FILE ROWS
    cat > "$1" <<T
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,64,$2,5] x) => (float[1,64,$2,5] y)
<int64[4] point = {64, 64, 1, 1}, int64[4] deep = {64, 1, 3, 3}>
{
    w = ConstantOfShape <value = float[1] {0.01}> (point)
    v = ConstantOfShape <value = float[1] {0.1}> (deep)
    a = Conv <kernel_shape = [1, 1]> (x, w)
    b = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 64> (a, v)
    c = Conv <kernel_shape = [1, 1]> (b, w)
    d = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 64> (c, v)
    y = Conv <kernel_shape = [1, 1]> (d, w)
}
T
}
# Tiles of three rows would be cut at the 15th row, single rows at the 13th.
net long.onnxtxt 25
expect 0 compile long.onnxtxt -o long --target x86-64-v4 --threads 2 --dump plan
[ "$(grep -c "Conv  (threads: pieces of 13)" out)" -eq 5 ] || fail "five steps at the 13th row"
expect 0 compile long.onnxtxt -o one --target x86-64-v4 --dump plan
! grep -q 'threads: pieces' out || fail "pieces for one thread"

# A row takes less time than another thread needs to begin.
net short.onnxtxt 1
expect 0 compile short.onnxtxt -o short --target x86-64-v4 --threads 2 --dump plan
! grep -q 'threads: pieces' out || fail "a step of a microsecond is split"

# A size that the run decides: pieces that are worth it there, and no pieces where all of it is short.
sed 's/,25,5\]/,h,5]/g' long.onnxtxt > open.onnxtxt
expect 0 compile open.onnxtxt -o open --target x86-64-v4 --threads 2 --dump plan
says out '(threads: pieces of '
says open/open.c 'if (open_alone(env, '

# Steps of a recurrent cell, split over hidden units where the batch is not known: the bits are those of one thread.
cat > cell.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
cell (float[b,3] s) => (float[9,1,b,100] y)
<int64[1] front = {0}, int64[3] kept = {9, 0, 3}, int64[3] of_x = {1, 400, 3}, int64[3] of_h = {1, 400, 100}, float zero = {0}, float n = {1200}, float m = {40000}, float step = {1}>
{
    rows = Unsqueeze (s, front)
    x = Concat <axis = 0> (rows, rows, rows, rows, rows, rows, rows, rows, rows)
    line = Range (zero, n, step)
    waves = Cos (line)
    w = Reshape (waves, of_x)
    long = Range (zero, m, step)
    many = Sin (long)
    r = Reshape (many, of_h)
    y = LSTM <hidden_size = 100> (x, w, r)
}
T
expect 0 compile cell.onnxtxt -o cell --threads 2
says cell/cell.c 'for (int64_t turn' 'if (cell_alone(env, ' ', 100, 64);'
expect 0 run cell.onnxtxt -i x.pb --threads 2 --output two.npz
expect 0 run cell.onnxtxt -i x.pb --output one.npz
cmp one.npz two.npz || fail "other bits of a cell in two threads"

sed -e 's/float\[b,3\] s/float[b,3] s, float[t,1,3] z/' -e 's/y = LSTM/u = LSTM/' -e 's/(x, w, r)/(z, w, r)/' -e 's/float\[9,1,b,100\] y/float[t,1,1,100] u/' cell.onnxtxt > steps.onnxtxt
expect 0 compile steps.onnxtxt -o steps --threads 2
says steps/steps.c '< in->t; ++turn' ', 100, 64);'

# Kernels that are no products have a time as well.
best() { # ROWS N
    cat > topk.onnxtxt <<T
<ir_version: 8, opset_import: ["" : 17]>
topk (float[$1,$2] x) => (float[$1,3] y, int64[$1,3] at)
<int64[1] k = {3}>
{
    y, at = TopK (x, k)
}
T
    expect 0 compile topk.onnxtxt -o topk --target x86-64-v4 --threads 2 --dump plan
}
best 2 10
! grep -q 'threads: pieces' out || fail "the best of ten are looked for by two threads"
best 64 4000
grep -q 'topk(.*threads: pieces of' out || grep -q 'TopK.*threads: pieces of' out || fail "the best of 4000 in 64 rows are looked for by one thread"
cat > words.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 20]>
words (string[n] s) => (bool[n] y)
{
    y = RegexFullMatch <pattern = "a+b"> (s)
}
T
expect 0 compile words.onnxtxt -o words --threads 2
says words/words.c 'words_grain(in->n, 1, '

# Behind groups of channels that a thread has for itself, depthwise convolutions go by channels, and the padding around what they read.
cat > groups.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
net (float[2,3] s) => (float[1,160,14,14] y)
<int64[4] groups = {160, 20, 1, 1}, int64[4] deep = {160, 1, 3, 3}, int64[4] shape = {1, 160, 14, 14}, float zero = {0}, float n = {31360}, float one = {1}>
{
    line = Range (zero, n, one)
    cells = Reshape (line, shape)
    waves = Cos (cells)
    sum = ReduceSum <keepdims = 0> (s)
    x = Mul (waves, sum)
    w = ConstantOfShape <value = float[1] {0.01}> (groups)
    v = ConstantOfShape <value = float[1] {0.1}> (deep)
    a = Conv <kernel_shape = [1, 1], group = 8> (x, w)
    b = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 160> (a, v)
    y = Conv <kernel_shape = [1, 1], group = 8> (b, w)
}
T
expect 0 compile groups.onnxtxt -o groups --target x86-64-v3 --threads 2 --dump plan
grep -q ' halo(.* PARTS=8' out && grep -q ' conv_dw(.* PARTS=8' out || fail "not by channels"
expect 0 compile groups.onnxtxt -o groups1 --target x86-64-v3 --dump plan
grep -q ' conv_dw(.* PARTS=1 ' out || fail "shares for one thread"
expect 0 run groups.onnxtxt -i x.pb --target x86-64-v3 --threads 2 --output two.npz
expect 0 run groups.onnxtxt -i x.pb --target x86-64-v3 --output one.npz
cmp one.npz two.npz || fail "other bits with two threads"

# Pixels of rows that adjoin are one row for one thread where they fill tiles better; the bits are those of single rows.
cat > image.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
net (float[2,3] s) => (float[1,48,13,13] y)
<int64[4] point = {48, 64, 1, 1}, int64[4] shape = {1, 64, 13, 13}, float zero = {0}, float n = {10816}, float one = {1}>
{
    line = Range (zero, n, one)
    cells = Reshape (line, shape)
    waves = Cos (cells)
    sum = ReduceSum <keepdims = 0> (s)
    x = Mul (waves, sum)
    w = ConstantOfShape <value = float[1] {0.01}> (point)
    a = Conv <kernel_shape = [1, 1]> (x, w)
    y = Sigmoid (a)
}
T
expect 0 compile image.onnxtxt -o image --target x86-64-v3 --dump plan
grep -q ' conv(.* OH=1 .* OW=169' out || fail "rows of an image are not joined"
expect 0 compile image.onnxtxt -o image2 --target x86-64-v3 --threads 2 --dump plan
grep -q ' conv(.* OW=13' out || fail "rows are joined for two threads"
expect 0 run image.onnxtxt -i x.pb --target x86-64-v3 --output one.npz
expect 0 run image.onnxtxt -i x.pb --target x86-64-v3 --threads 2 --output two.npz
cmp one.npz two.npz || fail "other bits of a joined image"
