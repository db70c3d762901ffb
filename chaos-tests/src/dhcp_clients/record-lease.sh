#!/bin/sh
# The script of udhcpc, dhclient and dhcpcd alike: writes down what the client was told, one line per event, and
# configures the interface as its own script would (dhcpcd does that by itself). No event is left out or judged here.
client=@CLIENT@
history=@HISTORY@

if [ -n "$1" ]; then # udhcpc names its event as an argument
  by=udhcpc event=$1 address=$ip netmask=$subnet routers=$router name=$hostname server=$serverid lease_s=$lease
else
  by=others event=$reason address=$new_ip_address netmask=$new_subnet_mask routers=$new_routers
  name=$new_host_name server=$new_dhcp_server_identifier lease_s=$new_dhcp_lease_time
  [ -n "$new_subnet_cidr" ] && by=dhcpcd # only dhcpcd says it so
fi

case $event in
  bound | renew | BOUND | RENEW | REBIND | REBOOT)
    if [ "$by" != dhcpcd ]; then
      ip -4 addr replace "$address/$netmask" dev "$interface"
      [ -n "$routers" ] && ip -4 route replace default via "${routers%% *}"
    fi
    ;;
  deconfig | EXPIRE | FAIL | RELEASE | STOP)
    address='' # what it had, it has no more
    ip -4 addr flush dev "$interface"
    ;;
  *)
    address='' # no lease is in the event: PREINIT, CARRIER, nak, …
    ;;
esac

# uptime: one clock for all clients, in hundredths of a second
read -r now _ </proc/uptime
printf '%s %s %s %s %s %s %s %s %s\n' "$now" "$client" "$event" "${address:--}" "${netmask:--}" \
  "${routers:--}" "${name:--}" "${server:--}" "${lease_s:--}" >>"$history"
