#!/bin/sh
# A CNI runtime in a few lines, as cnitool is one: it knows plugins only by the specification.
#
# usage: tiny-runtime.sh COMMAND CONTAINER     with the configuration list in $CONFLIST
set -eu
PATH=$PATH:/usr/sbin:/sbin
export CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin
results=/run/tiny-results
mkdir -p $results

# what one plugin reads: its own part, name and version of the list, and the result so far
request() {
    python3 - "$CONFLIST" "$1" "$2" <<'PYTHON'
import json, os, sys
config, number, previous = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
request = {**config["plugins"][number], "cniVersion": config["cniVersion"], "name": config["name"]}
request.pop("capabilities", None)
if previous:
    request["prevResult"] = json.loads(previous)
if os.environ["CNI_COMMAND"] == "GC":
    request["cni.dev/valid-attachments"] = [{"containerID": c, "ifname": "eth0"} for c in os.environ["VALID"].split()]
print(json.dumps(request))
PYTHON
}
types=$(python3 -c 'import json, sys; print(*[p["type"] for p in json.loads(sys.argv[1])["plugins"]])' "$CONFLIST")

last=
[ "$CNI_COMMAND" = ADD ] && ip netns add "$2" || last=$(cat "$results/$2" 2>/dev/null || true)
[ -e "$CNI_NETNS" ] || unset CNI_NETNS
number=0
for type in $types; do
    answer=$(request $number "$last" | "$CNI_PATH/$type") || { echo "$answer"; exit 1; }
    [ "$CNI_COMMAND" = ADD ] && last=$answer
    number=$((number + 1))
done
case $CNI_COMMAND in
    ADD) echo "$last" | tee "$results/$2" ;;
    DEL) rm -f "$results/$2"; [ -e "/run/netns/$2" ] && ip netns delete "$2" || true ;;
esac
