# `just` lists what there is to do, `just --show RECIPE` prints how it is done.

# Arguments arrive as "$1" and "$@", so that quotes and blanks in JSON survive.
set positional-arguments
set shell := ["bash", "-euo", "pipefail", "-c"]

data := "target/nats-data"
secure_data := "target/nats-secure-data"
cluster_data := "target/nats-cluster-data"
# How to reach the servers of `just cluster`, and on how many of them everything is kept.
cluster_client := "NATS_URL=nats://127.0.0.1:4222,nats://127.0.0.1:4223,nats://127.0.0.1:4224 RAPIDS_REPLICAS=3"
# How to reach the server of `just secure`.
secure_client := "NATS_URL=tls://127.0.0.1:4222 NATS_CA=tls/ca.pem NATS_CERT=tls/client.pem NATS_KEY=tls/client.key"
# Crates outside of the workspace share what it has built.
target := env("CARGO_TARGET_DIR", "target")
# What `just two-versions` runs beside this revision: the last release, or, as there is none yet, one from before the
# formats of entries and letters last changed.
previous := "8b3058b4"
axe := justfile_directory() / "target/tools/axe.min.js"
nats_cli := "the nats CLI is missing, which shows the state of the server: go install github.com/nats-io/natscli/nats@v0.4.0, or a release from https://github.com/nats-io/natscli/releases; then put `nats` on PATH"

[private]
default:
    @just --list --unsorted

# Fetch the crates and nats-server, and name missing tools
[group('start')]
setup: _fetch (_build "-p" "rapids-test" "--bin" "find-nats-server")
    @echo "nats-server: $(cargo run -q -p rapids-test --bin find-nats-server)"
    @if command -v nats >/dev/null; then echo "nats CLI: $(command -v nats)"; else echo '{{ nats_cli }}'; fi

# Start a server on 127.0.0.1:4222 that keeps its data until `just clean`
[group('start')]
nats: _port-is-free (_build "-p" "rapids-test" "--bin" "find-nats-server")
    #!/usr/bin/env bash
    set -euo pipefail
    server=$(cargo run -q -p rapids-test --bin find-nats-server)
    mkdir -p {{ data }}
    exec "$server" --config nats.conf --store_dir {{ data }}

# Start a server with TLS and a login for each service of access.toml, as docs/security.md describes
[group('start')]
secure: _port-is-free (_build "-p" "rapids-test" "--bin" "find-nats-server") (_build "-p" "rapids-cli")
    #!/usr/bin/env bash
    set -euo pipefail
    rapids() { cargo run -q -p rapids-cli -- "$@"; }
    [[ -e tls/ca.pem ]] || rapids access certificates
    rapids access keys
    rapids access render
    server=$(cargo run -q -p rapids-test --bin find-nats-server)
    mkdir -p {{ secure_data }}
    "$server" --config nats-secure.conf --store_dir {{ secure_data }} &
    trap 'kill $! 2>/dev/null || true; wait' EXIT
    trap 'exit 130' INT TERM
    export {{ secure_client }}
    # The server may take a moment to listen.
    for _ in {1..50}; do (: >/dev/tcp/127.0.0.1/4222) 2>/dev/null && break; sleep 0.1; done
    NATS_NKEY=keys/operator.nk rapids provision --secured --yes
    echo "services run with: just secured river payment; tools with: just secured rapids services"
    wait

# Start three servers that form a cluster, with TLS between them; one that is killed comes back (docs/cluster.md)
[group('start')]
cluster: _port-is-free (_build "-p" "rapids-test" "--bin" "find-nats-server") (_build "-p" "rapids-cli")
    #!/usr/bin/env bash
    set -euo pipefail
    [[ -e tls/ca.pem ]] || cargo run -q -p rapids-cli -- access certificates
    server=$(cargo run -q -p rapids-test --bin find-nats-server)
    node() {
        local number=$1 store={{ cluster_data }}/n$1 pid=
        trap 'kill "$pid" 2>/dev/null; wait "$pid"; exit 0' TERM
        mkdir -p "$store"
        export RAPIDS_NODE=n$number RAPIDS_NODE_PID=$store/pid RAPIDS_NODE_LISTEN=127.0.0.1:$((4221 + number))
        export RAPIDS_NODE_HTTP=127.0.0.1:$((8221 + number)) RAPIDS_NODE_ROUTES=127.0.0.1:$((6221 + number))
        while true; do
            "$server" --config nats-cluster.conf --store_dir "$store" --log "$store/log" &
            pid=$!
            wait "$pid" || true
            echo "n$number has ended; starting it again"
            sleep 1
        done
    }
    nodes=()
    for number in 1 2 3; do node "$number" & nodes+=($!); done
    trap 'kill "${nodes[@]}" 2>/dev/null || true; wait' EXIT
    trap 'exit 130' INT TERM
    is_well() {
        (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && head -1 <&3) 2>/dev/null |
            grep -q ' 200 '
    }
    for _ in {1..150}; do is_well 8222 && is_well 8223 && is_well 8224 && break; sleep 0.2; done
    echo 'three servers: n1, n2, n3 at 127.0.0.1:4222 to 4224; logs: {{ cluster_data }}/n1/log'
    echo 'services run with: just clustered river payment; tools with: just clustered rapids replicas'
    echo 'kill one: kill -9 $(cat {{ cluster_data }}/n1/pid); let one go: kill -USR2 ...'
    wait

# Run a recipe on the servers of `just cluster`
[group('start')]
clustered RECIPE *ARGS:
    @{{ cluster_client }} exec just "$@"

# Run a recipe with the login of whom it is about: a service (`river NAME`), `web`, else the operator
[group('start')]
secured RECIPE *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    export {{ secure_client }}
    if [[ $1 == river ]]; then
        export NATS_NKEY=keys/$2.nk RAPIDS_ID_KEY=keys/$2.id_key RAPIDS_PROVISIONED=1
    elif [[ $1 == web ]]; then
        export NATS_NKEY=keys/web.nk RAPIDS_PROVISIONED=1
    else
        export NATS_NKEY=keys/operator.nk
    fi
    exec just "$@"

# Start a server and all services, place orders, and verify the outcome (--help for more)
[group('start')]
demo *ARGS: (_build "-p" "demo")
    cargo run -q -p demo -- "$@"

# Run the demo while services and the server are killed and bad packets come (--help for more)
[group('start')]
chaos *ARGS: (_build "-p" "demo")
    cargo run -q -p demo -- chaos "$@"

# Build all programs as they are shipped, with link-time optimisation, into target/dist
[group('rivers')]
dist:
    cargo build --profile dist --workspace --bins

# Run one service; an unknown name lists all services
[group('rivers')]
river NAME: (_known NAME) _server (_build "-p" "rivers" "--bin" NAME)
    @exec cargo run -q -p rivers --bin "$1"

# Run a bundle of services in one process: an example in rivers/examples
[group('rivers')]
bundle NAME='shop': _server (_build "-p" "rivers" "--example" NAME)
    @exec cargo run -q -p rivers --example "$1"

# Show the rapids in a browser, at 127.0.0.1:8080 unless --listen says otherwise (--help for more)
[group('start')]
console *ARGS: _server (_build "-p" "rapids-console")
    @exec cargo run -q -p rapids-console -- "$@"

# Take orders over HTTP, at 127.0.0.1:8080 unless another address is given (rivers/examples/web.rs)
[group('rivers')]
web ADDRESS='127.0.0.1:8080': _server (_build "-p" "rivers" "--example" "web")
    @exec cargo run -q -p rivers --example web -- "$1"

# Tell what an order looked like, now or `--until 2026-11-23T10:00:00Z` (rivers/examples/order_history.rs)
[group('packets')]
[no-exit-message]
order-history ORDER *ARGS: (_build "-p" "rivers" "--example" "order_history")
    @exec cargo run -q -p rivers --example order_history -- "$@"

# Print labels of what is sealed; `move CUSTOMER ADDRESS`, `erase CUSTOMER` (rivers/examples/sealed)
[group('rivers')]
[no-exit-message]
sealed *ARGS: _server (_build "-p" "rivers" "--example" "sealed")
    @exec cargo run -q -p rivers --example sealed -- "$@"

# Run all services, with the service's name before each line; Ctrl-C stops them
[group('rivers')]
rivers: _server (_build "-p" "rivers" "--bins")
    #!/usr/bin/env bash
    set -euo pipefail
    # Without this, services would log JSON, because their output is a pipe.
    export RAPIDS_LOG_FORMAT=${RAPIDS_LOG_FORMAT:-human}
    name_lines() {
        # Ends when the service closes the pipe, and not at the signal, so that its last lines are
        # shown too.
        trap '' INT TERM
        while IFS= read -r line; do printf '%-12s | %s\n' "$1" "$line"; done
    }
    pids=()
    for name in $(basename -s .rs rivers/src/bin/*.rs); do
        cargo run -q -p rivers --bin "$name" > >(name_lines "$name") 2>&1 &
        pids+=($!)
    done
    trap 'kill "${pids[@]}" 2>/dev/null || true' INT TERM
    # A signal ends the first `wait`; the second one waits until the services have stopped.
    wait || true
    wait

# Write rivers/src/bin/NAME.rs from a template: a working service with a test
[group('rivers')]
new-river NAME:
    #!/usr/bin/env bash
    set -euo pipefail
    export LC_ALL=C
    name=$1 file=rivers/src/bin/$1.rs
    if [[ ! $name =~ ^[a-z][a-z0-9_-]{0,31}$ ]]; then
        echo "\`$name\` cannot name a river: 1 to 32 of a-z, 0-9, _ and -, a letter first" >&2
        exit 1
    fi
    case $name in build | deps | examples | incremental | bench | demo | find-nats-server)
        echo "\`$name\` cannot name a river: the directory of built programs uses this name" >&2
        exit 1
    esac
    if [[ -e $file ]]; then
        echo "$file exists; choose another name or delete it" >&2
        exit 1
    fi
    sed "s/greeter/$name/g" rivers/template.rs > "$file"
    cat <<END
    $file is written. Next:
      cargo test -p rivers --bin $name
      just river $name
      just publish '{"event":"${name}_wanted","name":"Ada"}'
    END

# Publish one packet, such as '{"event":"order_placed","order_id":"o-1","total":7550}'
[group('packets')]
[no-exit-message]
publish JSON: (_build "-p" "rapids-cli")
    @exec cargo run -q -p rapids-cli -- publish "$1"

# Print each packet as it comes, as JSON (`just river monitor` prints a readable line for each)
[group('packets')]
[no-exit-message]
watch: (_build "-p" "rapids-cli")
    @exec cargo run -q -p rapids-cli -- tail --follow --output json

# Run the command `rapids`, of the crate rapids-cli (`just rapids --help`)
[group('packets')]
[no-exit-message]
rapids *ARGS: (_build "-p" "rapids-cli")
    @exec cargo run -q -p rapids-cli -- "$@"

# Run the tests that need no other tools (arguments are passed to cargo test)
[group('checks')]
test *ARGS:
    cargo test --workspace "$@"

# Run the tests that need the nats CLI, just and promtool, and the one that kills every service in turn
[group('checks')]
test-tools: _nats-cli
    cargo test -p rapids-cli -p rivers -p demo --test it -- --ignored --skip figures::

# Run the tests of the console in Chromium; needs chromium, chromedriver and npm
[group('checks')]
test-browser *ARGS: _browser
    AXE={{ axe }} cargo test --manifest-path rapids-console/browser/Cargo.toml --target-dir "{{ target }}" "$@"

# Take the pictures of the console for README and docs/console.md, in docs/console
[group('checks')]
screenshots: _browser
    cargo run -q --manifest-path rapids-console/browser/Cargo.toml --target-dir "{{ target }}" --bin screenshots -- docs/console

# Run the tests of packets' outcomes again, with services in exclusive delivery
[group('checks')]
test-exclusive:
    RAPIDS_DELIVERY=exclusive cargo test -p rapids-client --test it -- outcomes:: crashes:: given_up:: memory:: once::

# Run instances of an earlier revision and of this one beside each other, up and down; builds the earlier one
[group('checks')]
two-versions REVISION=previous TESTS='a_service':
    #!/usr/bin/env bash
    set -euo pipefail
    built="{{ target }}/previous" source="{{ target }}/previous/source-$1"
    if [[ ! -e $source ]]; then
        mkdir -p "$source"
        git archive "$1" | tar -x -C "$source"
    fi
    # A program of this revision, compiled with the library of that one.
    mkdir -p "$source/rapids-client/examples"
    cp rapids-client/examples/two_versions.rs "$source/rapids-client/examples"
    cargo build -q --locked --manifest-path "$source/Cargo.toml" --target-dir "$built" -p rapids-client --example two_versions
    cargo build -q --locked --manifest-path "$source/Cargo.toml" --target-dir "$built" -p rapids-cli
    cargo build -q -p rapids-client --example two_versions
    export RAPIDS_TEST_EARLIER RAPIDS_TEST_EARLIER_TOOL RAPIDS_TEST_PRESENT RAPIDS_TEST_GOLDEN=$PWD/rapids-client/tests/golden
    RAPIDS_TEST_EARLIER=$(realpath "$built/debug/examples/two_versions")
    RAPIDS_TEST_EARLIER_TOOL=$(realpath "$built/debug/rapids")
    RAPIDS_TEST_PRESENT=$(realpath "{{ target }}/debug/examples/two_versions")
    cargo test -p rapids-client --test it -- --ignored "two_versions::$2"

# Write anew what the earlier revision stores, for the tests of those who read it
[group('checks')]
golden: (two-versions previous "golden")

# Check format, lints, tests, documentation and licences, as CI does
[group('checks')]
check: fmt clippy test doc deny

# Run for two hours or more: many generated inputs, and long chaos in both ways of delivery
[group('checks')]
soak SEED='1':
    PROPTEST_CASES=20000 cargo test -p rapids-client --lib --test it -- properties:: laws:: costs::
    RAPIDS_TEST_ENDS=100000 cargo test -p rapids-client --test it -- ended::what_has_ended
    cargo test --release -p rapids-console --test it -- --ignored --nocapture first_byte::
    cargo test --release -p rapids-client --test it -- --ignored --nocapture a_hundred_thousand
    cargo test --release -p rapids-cli --test it -- --ignored --nocapture figures::
    just publish-dry-run
    just check-image
    just two-versions
    LIVE_SECONDS=60 just test-browser --release -- --nocapture five_thousand
    cargo run -q --release -p demo -- chaos --orders 10000 --kills 100 --seed "$1"
    cargo run -q --release -p demo -- chaos --orders 10000 --kills 100 --seed "$1" --delivery exclusive
    cargo run -q --release -p demo -- chaos --nodes 3 --orders 10000 --kills 50 --faults 100 --seed "$1"
    cargo run -q --release -p demo -- chaos --nodes 3 --orders 10000 --kills 50 --faults 100 --seed "$1" --delivery exclusive

# Compile what would be published, as it would be unpacked, with the oldest Rust that Cargo.toml names
[group('checks')]
check-packages:
    #!/usr/bin/env bash
    set -euo pipefail
    oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1.0/p' Cargo.toml)
    unpacked="{{ target }}/unpacked"
    rm -rf "$unpacked" "{{ target }}/package"
    mkdir -p "$unpacked"
    cargo package --quiet --workspace --exclude demo --exclude rivers --no-verify --allow-dirty 2>&1 |
        { grep -vE 'ignoring test|no documentation, homepage|^ *(\||= note|$)' || true; }
    # What one crate takes from another would come from the registry, where it is not yet.
    printf '[workspace]\nresolver = "3"\nmembers = ["*"]\nexclude = ["target"]\n\n[patch.crates-io]\n' >"$unpacked/Cargo.toml"
    for package in "{{ target }}"/package/*.crate; do
        name=$(basename "$package" .crate)
        tar -xzf "$package" -C "$unpacked"
        echo "${name%-*} = { path = \"$name\" }" >>"$unpacked/Cargo.toml"
    done
    cp Cargo.lock "$unpacked"
    oldest_cargo=(cargo "+$oldest")
    if ! { rustup run "$oldest" rustc --version || rustup toolchain install --profile minimal "$oldest"; }; then
        echo "Rust $oldest cannot be had here: packages are compiled with $(rustc --version) alone" >&2
        oldest_cargo=(cargo)
    fi
    "${oldest_cargo[@]}" check --manifest-path "$unpacked/Cargo.toml" --target-dir "{{ target }}/oldest"

# Check what is in deploy/ with hadolint, systemd-analyze and the schemas of Kubernetes
[group('checks')]
check-deploy:
    deploy/check

# Build a program as its image does, and run it alone on a read-only root; needs root
[group('checks')]
check-image PROGRAM='payment' PROFILE='dist':
    deploy/check-image "$1" "$2"

# Say what publishing the crates would do, each compiled for itself: minutes
[group('checks')]
publish-dry-run:
    cargo publish --workspace --dry-run --locked --allow-dirty

# Check the bench, which is a workspace of its own, and run a short one
[group('checks')]
test-bench:
    cargo clippy --manifest-path bench/Cargo.toml --target-dir "{{ target }}" --all-targets -- -D warnings
    cargo test --manifest-path bench/Cargo.toml --target-dir "{{ target }}"

# Measure what the bus costs, beside async-nats and RustStream (--help for more)
[group('checks')]
bench *ARGS: (_build "--profile" "dist" "--manifest-path" "bench/Cargo.toml" "--target-dir" target)
    cargo run -q --profile dist --manifest-path bench/Cargo.toml --target-dir "{{ target }}" -- "$@"

# Measure again all that docs/performance.md and docs/scaling.md show, or these cases of the bench only
[group('checks')]
figures *CASES: (_build "--profile" "dist" "--manifest-path" "bench/Cargo.toml" "--target-dir" target)
    #!/usr/bin/env bash
    set -euo pipefail
    cases=("$@")
    if ((!$#)); then
        cases=(publish drain skip catch-up react hop memory query services rivers size process takeover)
    fi
    new=$(mktemp)
    trap 'rm -f "$new"' EXIT
    for case in "${cases[@]}"; do
        {{ target }}/dist/bench --case "$case" -o json >"$new"
        cp "$new" "docs/figures/$case.json"
    done
    {{ target }}/dist/bench plot docs/figures/*.json --out docs/figures \
        --fill docs/performance.md --fill docs/scaling.md

# Feed the target `packet`, `expression` or `matching` with inputs for some seconds; needs a C++ compiler
[group('checks')]
fuzz TARGET SECONDS='60':
    #!/usr/bin/env bash
    set -euo pipefail
    # The flags of cargo-fuzz, without the sanitizers, which a stable compiler does not have.
    export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
    # With `--target`, the flags do not apply to build scripts and macros.
    host=$(rustc -vV | sed -n 's/^host: //p') built=${CARGO_TARGET_DIR:-target}/fuzz
    cargo build -q --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$built"
    # New inputs are stored in the corpus, from which the next run continues.
    mkdir -p "$built/corpus/$1" "$built/crashes/$1"
    exec "$built/$host/release/$1" "$built/corpus/$1" "fuzz/seeds/$1" \
        -artifact_prefix="$built/crashes/$1/" -max_total_time="$2" \
        -len_control=20 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1

# Run everything that CI runs; installs missing tools
[group('checks')]
ci:
    .ci/run

# Remove build products and the data of `just nats` and `just secure`; stop those servers first
[group('checks')]
clean:
    rm -rf {{ data }} {{ secure_data }} {{ cluster_data }}
    cargo clean

[private]
fmt:
    cargo fmt --all --check
    cargo fmt --manifest-path bench/Cargo.toml --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    cargo fmt --manifest-path rapids-console/browser/Cargo.toml --check

[private]
clippy:
    cargo clippy --workspace --all-targets -- -D warnings

[private]
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Without advisories, because their database is not in the package registry.
[private]
deny:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! command -v cargo-deny >/dev/null; then
        echo "licences are not checked: cargo install --locked cargo-deny"
        exit
    fi
    set -x
    cargo deny check --hide-inclusion-graph bans licenses sources
    # Without licences: nobody ships the bench.
    cargo deny --manifest-path bench/Cargo.toml --config deny.toml check --hide-inclusion-graph bans sources

# Fetches the script that finds what keeps people from using a page; nobody ships it.
[private]
_browser:
    #!/usr/bin/env bash
    set -euo pipefail
    for tool in chromium chromedriver npm; do
        command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install chromium chromium-driver npm" >&2; exit 1; }
    done
    if [[ ! -f {{ axe }} ]]; then
        folder=$(mktemp -d)
        trap 'rm -rf "$folder"' EXIT
        npm pack --silent --pack-destination "$folder" axe-core@4.14.1 >/dev/null
        tar -xzf "$folder"/axe-core-*.tgz -C "$folder"
        mkdir -p "$(dirname {{ axe }})"
        cp "$folder/package/axe.min.js" {{ axe }}
    fi

[private]
_known NAME:
    #!/usr/bin/env bash
    set -euo pipefail
    if [[ ! -f rivers/src/bin/$1.rs ]]; then
        echo "there is no river \`$1\` in rivers/src/bin; there are:" >&2
        basename -s .rs rivers/src/bin/*.rs | sed 's/^/  /' >&2
        exit 1
    fi

[private]
_fetch:
    cargo fetch --locked

# Prints a notice if building takes more than a second: the first time it takes minutes.
[private]
_build *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    (sleep 1 && echo "building ..." >&3) 3>&2 >/dev/null 2>&1 &
    notice=$!
    trap 'kill "$notice" 2>/dev/null || true' EXIT
    cargo build -q "$@"

# nats-server would report this too, but among twenty lines of its log.
[private]
_port-is-free:
    #!/usr/bin/env bash
    set -euo pipefail
    address=$(sed -n 's/^listen: "\(.*\)"$/\1/p' nats.conf)
    if (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then
        echo "something listens at $address already, perhaps a server: use it, or stop it first" >&2
        exit 1
    fi

[private]
_nats-cli:
    @command -v nats >/dev/null || { echo '{{ nats_cli }}' >&2; exit 1; }

# A service waits for its server without a word, so this prints a notice.
[private]
_server:
    #!/usr/bin/env bash
    set -euo pipefail
    # Without an address, the selected context of the nats CLI is used.
    if [[ -n ${NATS_CONTEXT:-} ]]; then exit 0; fi
    if [[ -z ${NATS_URL:-} && -s ${XDG_CONFIG_HOME:-$HOME/.config}/nats/context.txt ]]; then exit 0; fi
    url=${NATS_URL:-nats://127.0.0.1:4222}
    address=${url%%,*} address=${address#*://} address=${address##*@} address=${address%%/*}
    [[ $address == *:* ]] || address=$address:4222
    if ! (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then
        echo "nothing listens at $address; waiting for it: \`just nats\` in another terminal starts a server"
    fi
