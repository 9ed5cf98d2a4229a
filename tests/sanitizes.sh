# sanitizes COMPILER FLAGS: whether that compiler's sanitizer libraries are installed. Sourced by tests that build with -fsanitize.
sanitizes() {
    probe=$(mktemp)
    # shellcheck disable=SC2086
    echo 'int main(void) { return 0; }' | "$1" -x c $2 - -o "$probe" 2> /dev/null && found=0 || found=1
    rm -f "$probe"
    return $found
}
