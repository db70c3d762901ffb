#!/bin/busybox sh
# udhcpc's script: takes the lease as it is offered.
# shellcheck disable=SC2154 # udhcpc sets them in the environment
case "$1" in
bound | renew)
  ip addr flush dev "$interface"
  ip addr add "$ip/$mask" dev "$interface"
  [ -n "$router" ] && ip route add default via "${router%% *}" dev "$interface"
  echo "GUEST lease $ip hostname $hostname server $serverid"
  ;;
esac
