#!/bin/sh
# Who may include whom (daemon/README.md): each ring sees those named behind it, and itself. Clients and workers see
# none of the daemon.
set -eu
cd "$(dirname "$0")/.."
rings="base: core:base store:base pathway:base,core engine:base,core,store,pathway delivery:base,core,store,engine
replay:base,core,store,pathway,engine
ops:base,core,store,pathway,engine
net:base,core,store,pathway,engine,delivery"
number=0 status=0
for ring in $rings; do
    name=${ring%%:*} may=",${ring#*:},$name,"
    number=$((number + 1))
    wrong=""
    for seen in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' daemon/"$name"/*.[ch] | sort -u); do
        [ -d "daemon/$seen" ] || continue # the schema, libraries
        case $may in *",$seen,"*) ;; *) wrong="$wrong $seen" ;; esac
    done
    if [ -z "$wrong" ]; then echo "ok $number - $name sees what it may"
    else echo "not ok $number - $name sees$wrong"; status=1; fi
done
number=$((number + 1))
if grep -rnE '^#include "(base|core|store|pathway|engine|delivery|replay|net|ops)/' clients workers --include='*.[ch]'; then
    echo "not ok $number - clients and workers see nothing of the daemon"; status=1
else
    echo "ok $number - clients and workers see nothing of the daemon"
fi
echo "1..$number"
exit $status
