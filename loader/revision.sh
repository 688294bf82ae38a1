#!/bin/sh
# Prints the revision that is checked out here, without git, for an image: of .git, only HEAD, packed-refs and
# refs/heads are needed. Prints an empty line for what has no such files: a copy without git, or a worktree.
head=$(cat .git/HEAD 2>/dev/null)
case $head in
'ref: '*)
    branch=${head#ref: }
    if [ -f ".git/$branch" ]; then
        head=$(cat ".git/$branch")
    elif [ -f .git/packed-refs ]; then
        head=$(while read -r hash name; do [ "$name" != "$branch" ] || echo "$hash"; done <.git/packed-refs)
    fi
    ;;
esac
case $head in
*[!0-9a-f]*) head= ;;
esac
echo "$head"
