#!/bin/sh
# Generated models link into one program beside each other, the same model twice under two names among them, and run from several threads at once:
# clean under ThreadSanitizer, with the answers of a serial run.
. "$(dirname "$0")/lib.sh"
"$onnxcc" compile "$sample" -o out --name first --target generic-c99 --weights c --dim batch=1
"$onnxcc" compile "$sample" -o out --name second --target native --weights incbin --dim batch=3
"$onnxcc" compile small.onnxtxt -o out --name small
cd out
for compiler in $compilers; do
    for sanitize in "" -fsanitize=thread; do
        # shellcheck disable=SC2086
        if [ -n "$sanitize" ] && ! echo 'int main(void) { return 0; }' | "$compiler" -x c $sanitize - -o probe 2> /dev/null; then
            echo "no ThreadSanitizer with $compiler"
            continue
        fi
        # Every file alone, with the flags that a user may have: the two copies of the shared parts must not meet.
        objects=
        for file in *.c *.S; do
            # shellcheck disable=SC2086
            "$compiler" -std=c99 -O1 -g $sanitize -march=native -c "$file" -o "$file.o" || fail "$compiler $file"
            objects="$objects $file.o"
        done
        # shellcheck disable=SC2086
        "$compiler" -std=gnu11 -O1 -g $sanitize -Wall -Wextra -Werror -I. "$here/concurrent.c" $objects -o program -lm -lpthread || fail "$compiler does not link"
        ./program || fail "$compiler $sanitize: $?"
        echo "ok: $compiler $sanitize"
    done
done
