# Every file and folder of the repository that README.md, docs/ and samples/ name is there. Names are written from the top; `*` is a glob.
cd "$(dirname "$0")/../.." || exit 1
fault=0
for page in README.md docs/*.md samples/*/*.md; do
    [ -f "$page" ] || { echo "$page: there is no such page"; fault=1; continue; }
    names=$(grep -oE '(^|[^A-Za-z0-9_./-])(\.ci|cmake|compiler|docs|integrations|proto|python|runtime|samples|templates|tests)/[A-Za-z0-9_./*-]*' "$page" |
            sed 's/^[^A-Za-z.]//; s/[.]*$//' | sort -u)
    # Targets of links are counted from the page's own folder.
    links=$(grep -oE '\]\([^):#]+[):#]' "$page" | sed 's/^](//; s/[):#]$//' | grep -vE '^https?$' | sed "s|^|$(dirname "$page")/|" | sort -u)
    for name in $names $links; do # unquoted: globs
        [ -e "$name" ] || { echo "$page: names '$name', which is not there"; fault=1; }
    done
done
# The verbs that the README lists are those that the program has.
for verb in $(sed -n 's/^VERB([A-Z]*, "\([a-z]*\)".*/\1/p' compiler/driver/options.def); do
    grep -q "onnxcc $verb" README.md || { echo "README.md: the verb '$verb' is missing"; fault=1; }
done
exit $fault
