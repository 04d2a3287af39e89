#!/usr/bin/env bash
# The figures: what a lab carries, beside what a TAP, the kernel's own router and slirp4netns carry on this machine.
#
#   scripts/bench.sh [--json] [--rounds N] [--seconds N] [--mtu N] [--only PATH[,PATH…]] [--memory] [--no-build]
#
# Paths, all between two network namespaces, measured in turn within each round:
#   ours           client ► interface endpoint ► Network Load Balancer ► server, two VPCs of vpclab
#   ours_gateway   client ► prefix-list route ► gateway endpoint ► the S3 service's namespace
#   relay          two TAPs with offload and a program that reads, translates addresses and writes: the ceiling of a TAP
#   plain_tap      the same program on tun-tap's TAPs: one frame per segment
#   kernel         veth pairs and a router with nft DNAT and masquerade
#   slirp4netns    slirp4netns at its best MTU (65520), when installed
#
# And s3: the embedded S3 through the gateway endpoint, beside the same server on plain loopback, over HTTP on the same tmpfs.
#
# Figures: tcp_1, tcp_4, tcp_reverse (iperf3, Gbit/s received), rr_p50_us (one byte there and back, median), connections_per_s
# (connect, one byte there and back, the server closes). Each is the median of the rounds. The MTU is that of every path
# but slirp4netns; offload settings and MTU of both sides are printed.
#
# Of s3: get, put (one object of 1 GiB, Gbit/s), small_get_per_s, small_put_per_s, small_get_p99_ms, small_put_p99_ms (4 KiB on
# eight connections). --memory adds the lab's largest resident memory during 5 GiB up and down, in MiB; it takes 5 GiB of tmpfs.
#
# It isolates itself in namespaces of its own (network, mount, process), so everything it started dies with it, kill -9
# included. Exit status: 0, or 1 when a figure is missing that was asked for.
set -euo pipefail

readonly FIGURES="tcp_1 tcp_4 tcp_reverse rr_p50_us connections_per_s"
readonly S3_FIGURES="get put small_get_per_s small_put_per_s small_get_p99_ms small_put_p99_ms"
readonly STREAM_PORT=5201 TRIP_PORT=5202 S3_PORT=5300 LAB="vpclab-bench"
readonly S3_HOST="s3.us-east-1.amazonaws.com" BUCKET="bench-222222222222"

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; }
say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 2; }

json=false build=true memory=false rounds=3 seconds=2 mtu=1500 only=""
original=("$@")
while (($#)); do
  case $1 in
    --json) json=true ;;
    --no-build) build=false ;;
    --memory) memory=true ;;
    --rounds | --seconds | --mtu | --only)
      (($# > 1)) || fail "$1 needs a value"
      declare "${1#--}=$2"
      shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown argument \`$1\`; see --help" ;;
  esac
  shift
done
for number in "$rounds" "$seconds" "$mtu"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || fail "\`$number\` is not a positive number"
done

all_paths="ours ours_gateway relay plain_tap kernel slirp4netns"
paths=${only:+${only//,/ }}
for path in ${paths:=$all_paths s3}; do
  [[ " $all_paths s3 " == *" $path "* ]] || fail "there is no path \`$path\`; there are: $all_paths s3"
done

# ── outside: build, then go into namespaces of our own ──────────────────────────────────────────────────────────────

if [[ ${VPCLAB_BENCH_INSIDE:-} != "$PPID" ]]; then
  for tool in curl iperf3 jq ip nft ethtool nsenter unshare setpriv timeout; do
    command -v "$tool" >/dev/null || [[ -x /usr/sbin/$tool ]] ||
      fail "\`$tool\` is missing; on Debian: apt install curl iperf3 jq iproute2 nftables ethtool util-linux coreutils"
  done
  root=$(cd "$(dirname "$0")/.." && pwd)
  if $build; then
    say "building (release)…"
    (cd "$root" && cargo build --quiet --release --bin vpclab --example relay --example load --example s3_server >&2)
  fi
  state=$(mktemp -d "${TMPDIR:-/tmp}/vpclab-bench.XXXXXX")
  trap 'rmdir "$state"' EXIT
  user=()
  ((EUID)) && user=(--user --map-root-user)
  # Whoever dies takes the next one along: this shell unshare, unshare the process namespace's first process, that one all.
  status=0
  VPCLAB_BENCH_ROOT=$root VPCLAB_BENCH_STATE=$state setpriv --pdeathsig KILL unshare "${user[@]}" --mount --net --pid --fork --kill-child --mount-proc \
    bash -c 'VPCLAB_BENCH_INSIDE=$$ bash "$@" & wait $!' bash "$root/scripts/bench.sh" "${original[@]}" || status=$?
  exit "$status"
fi

# ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────

target=${CARGO_TARGET_DIR:-$VPCLAB_BENCH_ROOT/target}/release
vpclab=$target/vpclab relay=$target/examples/relay load=$target/examples/load s3_server=$target/examples/s3_server
# The folder outside stays empty: what is written lies on a mount that nobody else sees.
mount -t tmpfs -o mode=700 vpclab-bench "$VPCLAB_BENCH_STATE"
results=$VPCLAB_BENCH_STATE/results links=$VPCLAB_BENCH_STATE/links log=$VPCLAB_BENCH_STATE/log
mkdir "$VPCLAB_BENCH_STATE/labs"
export VPCLAB_STATE=$VPCLAB_BENCH_STATE/labs
touch "$results" "$links"
ip link set lo up

# How to run a command at each end of a path, and what the client connects to.
declare -A client server address

# Waits until a condition holds, at most ten seconds.
await() {
  local what=$1 tries=200
  shift
  until "$@" 2>/dev/null; do
    ((tries--)) || { say "$what: not within ten seconds"; return 1; }
    sleep 0.05
  done
}

unshared() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }

# An empty network namespace, kept by a sleeping process; sets `held` to its path.
hold() {
  unshare --net sleep infinity &
  local holder=$!
  await "a network namespace" unshared "$holder"
  held=/proc/$holder/ns/net
  # As in every namespace of a lab: the machine's own default may be BBR, whose pacing halves what a path carries.
  in_net "$held" sh -c 'cd /proc/sys/net/ipv4; for name in cubic reno; do
    { echo $name >tcp_congestion_control; } 2>/dev/null && break; done' || true
}

in_net() { nsenter --net="$1" "${@:2}"; }
holder() { local path=${1#/proc/}; printf '%s' "${path%%/*}"; }

start_relay_path() {
  local path=$1 line from to output
  shift
  exec {output}< <(exec "$relay" --mtu "$mtu" "$@" 2>>"$log")
  read -r -t 10 -u "$output" line || { say "$path: the relay did not start: $(tail -3 "$log")"; return 1; }
  read -r from to address[$path] <<<"$line"
  client[$path]="nsenter --net=$from" server[$path]="nsenter --net=$to"
}

start_relay() { start_relay_path relay; }
start_plain_tap() { start_relay_path plain_tap --plain; }

start_kernel() {
  local from router to
  hold && from=$held
  hold && router=$held
  hold && to=$held
  wire "$from" "$router" client0 10.77.1
  wire "$to" "$router" server0 10.77.2
  in_net "$router" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  in_net "$router" nft -f - <<'RULES'
table ip nat {
  chain in { type nat hook prerouting priority dstnat; ip daddr 10.77.1.1 dnat to 10.77.2.2; }
  chain out { type nat hook postrouting priority srcnat; masquerade; }
}
RULES
  client[kernel]="nsenter --net=$from" server[kernel]="nsenter --net=$to" address[kernel]=10.77.1.1
}

# A veth pair between an end (eth0, .2) and the router (.1).
wire() {
  local end=$1 router=$2 name=$3 net=$4
  ip link add "$name" mtu "$mtu" netns "$(holder "$router")" type veth \
    peer name eth0 mtu "$mtu" netns "$(holder "$end")"
  in_net "$router" ip address add "$net.1/24" dev "$name"
  in_net "$router" ip link set "$name" up
  in_net "$end" ip address add "$net.2/24" dev eth0
  in_net "$end" ip link set eth0 up
  in_net "$end" ip route add default via "$net.1"
}

start_slirp4netns() {
  command -v slirp4netns >/dev/null || { say "slirp4netns is not installed: left out"; return 2; }
  local from to
  hold && from=$held
  hold && to=$held
  in_net "$to" ip link set lo up
  # It speaks to the far side through the loopback of the namespace that it runs in.
  in_net "$to" slirp4netns --configure --mtu=65520 --netns-type=path "$from" eth0 >>"$log" 2>&1 &
  await "slirp4netns" configured "$from" || return 1
  client[slirp4netns]="nsenter --net=$from" server[slirp4netns]="nsenter --net=$to" address[slirp4netns]=10.0.2.2
}

configured() { in_net "$1" ip -4 -o address show dev eth0 | grep -q 'inet '; }

lab_up() {
  [[ -z ${lab_started:-} ]] || return 0
  "$vpclab" --name "$LAB" up "$VPCLAB_BENCH_ROOT/benches/lab" >>"$log" 2>&1 ||
    { say "the lab did not start: $(tail -5 "$log")"; return 1; }
  lab_started=yes
  local guest
  for guest in consumer/client provider/server; do
    "$vpclab" --name "$LAB" exec "$guest" -- ip link set eth0 mtu "$mtu"
  done
}

in_client() { "$vpclab" --name "$LAB" exec consumer/client -- "$@"; }
resolve() { in_client getent ahostsv4 "$1" | awk '{ print $1; exit }'; }

start_ours() {
  lab_up || return 1
  local name
  name=$("$vpclab" --name "$LAB" status --json |
    jq -r '[.VpcEndpoints[] | select(.VpcEndpointType == "Interface")][0].DnsEntries[0].DnsName')
  address[ours]=$(resolve "$name")
  client[ours]="$vpclab --name $LAB exec consumer/client --"
  server[ours]="$vpclab --name $LAB exec provider/server --"
}

start_ours_gateway() {
  lab_up || return 1
  local s3 namespace
  s3=$(resolve s3.us-east-1.amazonaws.com)
  namespace=$(namespace_of "$s3") || { say "ours_gateway: no namespace has S3's address $s3"; return 1; }
  in_net "$namespace" ip link set eth0 mtu "$mtu"
  address[ours_gateway]=$s3
  client[ours_gateway]="$vpclab --name $LAB exec consumer/client --"
  server[ours_gateway]="nsenter --net=$namespace"
}

# The network namespace, among those that processes hold open, in which an address is local.
namespace_of() {
  local descriptor
  for descriptor in /proc/[0-9]*/fd/*; do
    [[ $(readlink "$descriptor" 2>/dev/null) == net:* ]] || continue
    if in_net "$descriptor" ip -4 route get "$1" 2>/dev/null | grep -q '^local '; then
      printf '%s' "$descriptor"
      return 0
    fi
  done
  return 1
}

# The embedded S3 twice: in the lab, and alone on this namespace's loopback. Sets `s3_client` to how each is called.
declare -A s3_client s3_address

start_s3() {
  lab_up || return 1
  mkdir "$VPCLAB_BENCH_STATE/loopback"
  "$s3_server" "$VPCLAB_BENCH_STATE/loopback" "$BUCKET" "127.0.0.1:$S3_PORT" >>"$log" 2>&1 &
  s3_client[gateway]="$vpclab --name $LAB exec consumer/client --" s3_address[gateway]=$(resolve "$S3_HOST"):80
  s3_client[loopback]="" s3_address[loopback]=127.0.0.1:$S3_PORT
  # Reads as zeros and takes no room; both ends see the same.
  truncate --size 1G "$VPCLAB_BENCH_STATE/gibibyte"
  printf x >"$VPCLAB_BENCH_STATE/byte"
  local where
  for where in gateway loopback; do
    await "S3 by $where" s3_curl "$where" --upload-file "$VPCLAB_BENCH_STATE/byte" "$(s3_url byte)" || { tail -3 "$log" >&2; return 1; }
  done
}

s3_url() { printf 'http://%s/%s/%s' "$S3_HOST" "$BUCKET" "$1"; }

# curl with these arguments against one of both servers, under S3's name.
s3_curl() {
  local where=$1
  shift
  ${s3_client[$where]} curl --silent --show-error --fail --output /dev/null \
    --connect-to "$S3_HOST:80:${s3_address[$where]}" "$@" 2>>"$log"
}

measure_s3() {
  local where=$1 figure=$2
  case $figure in
    put) s3_curl "$where" --write-out '%{speed_upload}' --upload-file "$VPCLAB_BENCH_STATE/gibibyte" "$(s3_url large)" ;;
    get) s3_curl "$where" --write-out '%{speed_download}' "$(s3_url large)" ;;
  esac | jq -e '. * 8 / 1e9 * 1000 | round / 1000'
}

# Requests per second and the 99th percentile of small objects, on one line.
measure_small() {
  timeout $((seconds + 15)) ${s3_client[$1]} "$load" "$2" "${s3_address[$1]}" "$S3_HOST" "/$BUCKET/small" "$seconds" 2>>"$log"
}

s3_round() {
  local round=$1 where figure value method per_second p99
  for figure in put get; do
    for where in gateway loopback; do
      if value=$(measure_s3 "$where" "$figure"); then
        printf '%s %s %s %s\n' "$round" "$where" "$figure" "$value" >>"$s3_results"
      else
        say "round $round: $figure of S3 by $where failed: $(tail -2 "$log")"
        missing=1
      fi
    done
  done
  for method in put get; do
    for where in gateway loopback; do
      if read -r per_second p99 < <(measure_small "$where" "$method"); then
        printf '%s %s small_%s_per_s %s\n' "$round" "$where" "$method" "$per_second" >>"$s3_results"
        printf '%s %s small_%s_p99_ms %s\n' "$round" "$where" "$method" "$p99" >>"$s3_results"
      else
        say "round $round: small $method of S3 by $where failed: $(tail -2 "$log")"
        missing=1
      fi
    done
  done
  say "round $round of $rounds: s3: $(awk -v round="$round" '$1 == round { printf "%s.%s %s  ", $2, $3, $4 }' "$s3_results")"
}

# The process that pumps frames and serves S3: the first child of the lab's init.
lab_process() {
  local init
  init=$(awk '{ print $1; exit }' "$VPCLAB_STATE/$LAB/init")
  awk '{ print $1; exit }' "/proc/$init/task/$init/children"
}

# The largest resident memory of that process, in MiB, while 5 GiB go up and come back.
measure_memory() {
  local process
  process=$(lab_process)
  truncate --size 5G "$VPCLAB_BENCH_STATE/five"
  rm -rf "${VPCLAB_BENCH_STATE:?}/loopback"
  s3_curl gateway --request DELETE "$(s3_url large)"
  echo 5 >"/proc/$process/clear_refs"
  s3_curl gateway --upload-file "$VPCLAB_BENCH_STATE/five" "$(s3_url five)" || return 1
  s3_curl gateway "$(s3_url five)" || return 1
  awk '/^VmHWM:/ { printf "%.0f", $2 / 1024 }' "/proc/$process/status"
}

# Both servers of a path, and the wait until a client reaches them through it.
serve() {
  local path=$1
  ${server[$path]} iperf3 -s -p "$STREAM_PORT" >>"$log" 2>&1 &
  ${server[$path]} "$load" serve "0.0.0.0:$TRIP_PORT" >>"$log" 2>&1 &
  # A balancer's target must first be found healthy.
  local tries=20
  until timeout 5 ${client[$path]} "$load" rr "${address[$path]}:$TRIP_PORT" 0.05 >>"$log" 2>&1 &&
    timeout 5 ${client[$path]} iperf3 -c "${address[$path]}" -p "$STREAM_PORT" -n 64K >>"$log" 2>&1; do
    ((tries--)) || { say "$path: its server can't be reached: $(tail -3 "$log")"; return 1; }
    sleep 0.5
  done
}

# MTU, congestion control and offloads of one side, on one line.
describe() {
  local path=$1 side=$2
  shift 2
  local device=eth0 mtu congestion offloads
  # slirp4netns' server listens on a loopback.
  "$@" ip link show "$device" >/dev/null 2>&1 || device=lo
  mtu=$("$@" ip -j link show "$device" | jq '.[0].mtu')
  congestion=$("$@" cat /proc/sys/net/ipv4/tcp_congestion_control)
  offloads=$("$@" ethtool -k "$device" | awk -F': ' '
    /^(tx-checksumming|rx-checksumming|tcp-segmentation-offload|generic-segmentation-offload|generic-receive-offload|tx-udp-segmentation):/ {
      gsub(/^[ \t]+/, "", $1); sub(/ .*/, "", $2); printf "%s%s=%s", separator, $1, $2; separator = " " }')
  jq -nc --arg path "$path" --arg side "$side" --argjson mtu "$mtu" --arg congestion "$congestion" \
    --arg offloads "$offloads" '{path: $path, side: $side, mtu: $mtu, congestion_control: $congestion, offloads: $offloads}' >>"$links"
}

# Prints one figure of one path, measured now.
measure() {
  local path=$1 figure=$2
  local at=${address[$path]} run="timeout $((seconds + 15)) ${client[$path]}"
  local stream="$run iperf3 -J -c $at -p $STREAM_PORT -t $seconds"
  case $figure in
    tcp_1) $stream | gigabits ;;
    tcp_4) $stream -P 4 | gigabits ;;
    tcp_reverse) $stream -R | gigabits ;;
    rr_p50_us) $run "$load" rr "$at:$TRIP_PORT" "$seconds" ;;
    connections_per_s) $run "$load" connect "$at:$TRIP_PORT" "$seconds" ;;
  esac 2>>"$log"
}

gigabits() { jq -e '.end.sum_received.bits_per_second / 1e9 * 1000 | round / 1000'; }

standing="" missing=0 s3_stands=false s3_results=$results.s3
touch "$s3_results"
for path in $paths; do
  status=0
  if [[ $path == s3 ]]; then
    if start_s3; then s3_stands=true; else missing=1; fi
    continue
  fi
  "start_$path" || status=$?
  if ((status == 0)) && serve "$path"; then
    standing+=" $path"
    describe "$path" client ${client[$path]}
    describe "$path" server ${server[$path]}
  elif ((status != 2)); then
    missing=1
  fi
done
[[ -n $standing ]] || $s3_stands || fail "no path stands"

for ((round = 1; round <= rounds; round++)); do
  for figure in $FIGURES; do
    for path in $standing; do
      if value=$(measure "$path" "$figure"); then
        printf '%s %s %s %s\n' "$round" "$path" "$figure" "$value" >>"$results"
      else
        say "round $round: $figure of $path failed: $(tail -2 "$log")"
        missing=1
      fi
    done
    [[ -z $standing ]] || say "round $round of $rounds: $figure: $(awk -v round="$round" -v figure="$figure" \
      '$1 == round && $3 == figure { printf "%s %s  ", $2, $4 }' "$results")"
  done
  if $s3_stands; then s3_round "$round"; fi
done

memory_mib=null
if $memory && $s3_stands; then
  memory_mib=$(measure_memory) || { say "5 GiB did not pass: $(tail -2 "$log")"; memory_mib=null missing=1; }
fi

# Medians, ratios of ours to each of the others (of rr_p50_us, where less is better, the others' to ours), and the floor:
# TCP at least 0.8 of the relay and 5 times the plain TAP, large objects at least 0.5 of the loopback's, 200 MiB of memory.
summary=$(jq -n --rawfile results "$results" --rawfile s3_results "$s3_results" --slurpfile links "$links" \
  --arg s3_figures "$S3_FIGURES" --argjson memory "$memory_mib" --arg paths "$all_paths" --arg figures "$FIGURES" \
  --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" --argjson rounds "$rounds" --argjson seconds "$seconds" '
  def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
    else (.[length / 2 - 1] + .[length / 2]) / 2 end;
  def rounded($parts): if . == null then null else . * $parts | round / $parts end;
  [$results | split("\n")[] | select(. != "") | split(" ")
    | {path: .[1], figure: .[2], value: (.[3] | tonumber)}] as $values
  | ($paths | split(" ")) as $paths | ($figures | split(" ")) as $figures
  | [$figures[] as $figure | {key: $figure, value: ([$paths[] as $path
      | {key: $path, value: [$values[] | select(.path == $path and .figure == $figure).value] | median | rounded(1000)}] | from_entries)}]
  | from_entries as $medians
  | [$figures[] as $figure | {key: $figure, value: ([$paths[] | select(startswith("ours") | not) | . as $path
      | $medians[$figure].ours as $ours | $medians[$figure][$path] as $other
      | {key: $path, value: (if $ours == null or $other == null or $ours == 0 or $other == 0 then null
          elif $figure == "rr_p50_us" then $other / $ours else $ours / $other end | rounded(100))}] | from_entries)}]
  | from_entries as $ratios
  | [$s3_results | split("\n")[] | select(. != "") | split(" ")
    | {path: .[1], figure: .[2], value: (.[3] | tonumber)}] as $s3_values
  | [$s3_figures | split(" ")[] as $figure | {key: $figure, value: ([("gateway", "loopback") as $path
      | {key: $path, value: [$s3_values[] | select(.path == $path and .figure == $figure).value] | median | rounded(1000)}] | from_entries
      | .ratio = (if .gateway == null or .loopback == null or .loopback == 0 then null
          else .gateway / .loopback | rounded(100) end))}]
  | from_entries as $s3
  | [($ratios[["tcp_1", "tcp_4", "tcp_reverse"][]] | (.relay // empty) >= 0.8, (.plain_tap // empty) >= 5),
      (($s3.get.ratio, $s3.put.ratio) // empty | . >= 0.5), ($memory // empty | . < 200)] as $floor
  | $medians + {s3: $s3, memory_mib: $memory, ratios: $ratios, floor_holds: (if $floor == [] then null else $floor | all end), links: $links,
      rounds: $rounds, seconds: $seconds, kernel: $kernel, cpus: $cpus, measured: $values}')

if $json; then
  printf '%s\n' "$summary"
else
  cells='def cell: if . == null then "-" else tostring end;'
  if [[ -n $standing ]]; then
    jq -r '.links[] | "\(.path) \(.side): mtu \(.mtu) \(.congestion_control) \(.offloads)"' <<<"$summary"
    jq -r '"", "Medians of \(.rounds) rounds of \(.seconds) s; kernel \(.kernel), \(.cpus) processors. Gbit/s, µs, 1/s:"' \
      <<<"$summary"
    jq -r --arg figures "$FIGURES" "$cells"'
      . as $all | (["figure"] + (.tcp_1 | keys_unsorted) | @tsv),
      ($figures | split(" ")[] | [.] + [$all[.][] | cell] | @tsv)' <<<"$summary" | column -t -s $'\t'
    jq -r '"", "Ours against each, more is better for ours:"' <<<"$summary"
    jq -r --arg figures "$FIGURES" "$cells"'
      .ratios as $all | (["ratio"] + ($all.tcp_1 | keys_unsorted) | @tsv),
      ($figures | split(" ")[] | [.] + [$all[.][] | cell] | @tsv)' <<<"$summary" | column -t -s $'\t'
  fi
  if $s3_stands; then
    jq -r '"", "S3 through the gateway endpoint and on plain loopback:"' <<<"$summary"
    jq -r "$cells"'
      (["figure", "gateway", "loopback", "ratio"] | @tsv),
      (.s3 | to_entries[] | [.key, (.value.gateway, .value.loopback, .value.ratio | cell)] | @tsv)' <<<"$summary" |
      column -t -s $'\t'
  fi
  jq -r "$cells"'"", "Memory of the lab during 5 GiB up and down: \(.memory_mib | cell) MiB",
    "Floor (TCP: 0.8 of the relay, 5 times the plain TAP; S3: 0.5 of the loopback, 200 MiB) holds: \(.floor_holds | cell)"' <<<"$summary"
fi
exit "$missing"
