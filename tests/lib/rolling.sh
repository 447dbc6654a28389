# An older release of the server for tests, to be sourced: built once from the history of this repository and kept.
#
#   . tests/lib/rolling.sh
#   SCOMO_TEST_OLD_BINARY=$(rolling_binary)

# The last commit before replicas, and with it the oldest that must live beside this one on the same database.
ROLLING_COMMIT=5b649f5

# rolling_found: whether this clone has that commit.
rolling_found() {
    git rev-parse --verify --quiet "$ROLLING_COMMIT^{commit}" >/dev/null
}

# rolling_binary: builds the older server, unless it is there, and prints its path.
rolling_binary() {
    local commit home
    commit=$(git rev-parse --verify --quiet "$ROLLING_COMMIT^{commit}") || {
        echo "the older server cannot be built: commit $ROLLING_COMMIT is not in this clone; fetch the whole history (git fetch --unshallow)" >&2
        return 1
    }
    home=$PWD/target/rolling/$commit
    if [ ! -x "$home/scomo" ]; then
        rm -rf "$home/source" && mkdir -p "$home/source" || return 1
        git archive "$commit" | tar -x -C "$home/source" || return 1
        # Beside the sources nothing of this build is needed again: what is kept is the program.
        (cd "$home/source" && CARGO_TARGET_DIR=$home/target cargo build --locked --quiet --bin scomo) >&2 || return 1
        mv "$home/target/debug/scomo" "$home/scomo" || return 1
        rm -rf "$home/target" "$home/source"
    fi
    printf '%s\n' "$home/scomo"
}
