#!/bin/sh
# Builds the images, runs them as they are to be run (nobody's user, read-only root, no capabilities) and prints sizes, the
# time from start to ready, and a transcript through the balancer.
#
#   deploy/docker/check.sh                 with the Docker daemon that is there, and the public base
#   NODE_IMAGE=… deploy/docker/check.sh    with another base
#   deploy/docker/check.sh --own-daemon    root only: a daemon of its own, and a base made with debootstrap from the machine's
#                                          Debian mirror and its node, for where no image can be pulled
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
daemon=
cleanup() {
  [ -z "${DOCKER:-}" ] || $DOCKER rm -f asr-check-instance asr-check-balancer > /dev/null 2>&1 || true
  if [ -n "$daemon" ]; then
    kill "$daemon" && wait "$daemon" || true
    umount "$work/exec/netns/default" 2> /dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
skip() { echo "skipped: $1"; exit 0; }
fail() { echo "FAILED: $1" >&2; exit 1; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

DOCKER=docker
command -v docker > /dev/null || skip 'there is no docker'
if [ "${1:-}" = --own-daemon ]; then
  [ "$(id -u)" = 0 ] || skip 'a daemon of its own needs root'
  command -v dockerd > /dev/null && command -v debootstrap > /dev/null || skip 'apt-get install docker.io debootstrap'
  DOCKER="docker -H unix://$work/docker.sock"
  for driver in overlay2 vfs; do
    dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver "$driver" --data-root "$work/data" \
      --exec-root "$work/exec" --pidfile "$work/pid" -H "unix://$work/docker.sock" > "$work/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 150); do
      $DOCKER info > /dev/null 2>&1 && break 2
      kill -0 "$daemon" 2> /dev/null || break
      sleep 0.2
    done
    kill "$daemon" 2> /dev/null || true
    daemon=
  done
  [ -n "$daemon" ] || { tail -5 "$work/dockerd.log"; skip 'dockerd does not run on this machine'; }
fi
$DOCKER info > /dev/null 2>&1 || skip 'no Docker daemon answers; see --own-daemon'

if [ "${1:-}" = --own-daemon ] && [ -z "${NODE_IMAGE:-}" ]; then
  mirror=$(sed -n -e 's/^URIs: *//p' -e 's/^deb \(\[.*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null | grep -m1 '/debian/*$')
  debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$work/base" "$mirror" > "$work/debootstrap.log" 2>&1 ||
    { tail -5 "$work/debootstrap.log"; fail debootstrap; }
  mkdir -p "$work/base/usr/local/bin" "$work/base/usr/local/lib/node_modules"
  cp -L "$(command -v node)" "$work/base/usr/local/bin/node"
  cp -a "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$work/base/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/base/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/base/usr/local/bin/npx"
  cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
  rm -rf "$work/base/var/cache/apt/archives/"*.deb "$work/base/var/lib/apt/lists/"*
  NODE_IMAGE=asr-check-base
  tar -C "$work/base" -c . | $DOCKER import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' - "$NODE_IMAGE" > /dev/null
  rm -rf "$work/base"
fi

for name in balancer instance; do
  # shellcheck disable=SC2086
  DOCKER_BUILDKIT=0 $DOCKER build --network host ${NODE_IMAGE:+--build-arg NODE_IMAGE=$NODE_IMAGE} \
    -f "$root/deploy/docker/$name.Dockerfile" -t "asr-$name:check" "${CONTEXT:-$root}" > "$work/build.log" 2>&1 ||
    { tail -20 "$work/build.log"; fail "build of $name"; }
done
echo "images ($($DOCKER images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E "^(asr-(instance|balancer):check|${NODE_IMAGE:-node}:)" | tr '\n' ',' | sed 's/,$//; s/,/, /g'))"

safely='--network host --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges'
started=$(milliseconds)
# shellcheck disable=SC2086
$DOCKER run -d --name asr-check-instance $safely --tmpfs /cache:uid=10001 -v "$root/models/demo:/models/model:ro" asr-instance:check > /dev/null
# shellcheck disable=SC2086
$DOCKER run -d --name asr-check-balancer $safely asr-balancer:check --insecure --upstream 'http://127.0.0.1:7861;id=in-container' > /dev/null
ready() {
  for _ in $(seq 600); do
    curl -sf "$1" > /dev/null && return
    sleep 0.05
  done
  $DOCKER logs asr-check-instance
  $DOCKER logs asr-check-balancer
  fail "$1 did not become ready"
}
ready http://127.0.0.1:7861/health
echo "instance: $(($(milliseconds) - started)) ms from docker run to ready, the model compiled on the way"
ready http://127.0.0.1:7860/readyz
transcript=$(curl -s -F "audio=@$root/examples/hello.wav" http://127.0.0.1:7860/asr)
echo "transcript: $transcript"
echo "$transcript" | grep -q '"status":"success"' || fail 'no transcript'
$DOCKER exec asr-check-instance ffmpeg -loglevel error -f lavfi -i anoisesrc=d=1 -f mp3 - > "$work/noise.mp3"
curl -s -F "audio=@$work/noise.mp3" http://127.0.0.1:7860/asr | grep -q '"status":"success"' || fail 'no answer to an MP3 file'
for name in balancer instance; do
  $DOCKER stop -t 20 "asr-check-$name" > /dev/null
  code=$($DOCKER inspect "asr-check-$name" --format '{{.State.ExitCode}}')
  # 0: it drained; 143: it had not loaded yet and ended by the signal; 137 would be a kill after the deadline.
  case $code in 0 | 143) echo "$name: SIGTERM drained it, exit code $code" ;; *) fail "$name ended with $code" ;; esac
done
echo passed
