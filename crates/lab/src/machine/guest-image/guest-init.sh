#!/bin/busybox sh
# init of the guest: brings the network up, fetches what cloud-init's NoCloud source fetches, phones home.
# Every line that the test reads begins with GUEST.
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1
echo "GUEST init"
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
  insmod "/modules/$module.ko" || echo "GUEST module $module missing"
done
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -f -n -q -t 20 -T 2 -s /udhcpc.sh || echo "GUEST no lease"

seed=$(sed -n 's/.*ds=nocloud[-a-z]*;s=\([^ ;]*\).*/\1/p' /proc/cmdline)
echo "GUEST seed $seed"

# As cloud-init: ten tries, a second apart, for any error; one that gets no answer waits for ever.
fetch() {
  for try in 1 2 3 4 5 6 7 8 9 10; do
    if wget -q -O "/tmp/$1" "$seed$1"; then
      echo "GUEST fetched $1 try $try"
      sed "s/^/GUEST $1: /" "/tmp/$1"
      return 0
    fi
    sleep 1
  done
  echo "GUEST failed $1"
  return 1
}
fetch network-config
fetch meta-data
fetch user-data
fetch vendor-data

instance=$(sed -n 's/^instance-id: *//p' /tmp/meta-data)
name=$(sed -n 's/^hostname: *//p' /tmp/meta-data)
url=$(sed -n 's/^ *url: *//p' /tmp/vendor-data | tr -d "'\"")
for try in 1 2 3 4 5 6 7 8 9 10; do
  if wget -q -O /tmp/phone-home --post-data "instance_id=$instance&hostname=$name&fqdn=$name&pub_key_ed25519=ssh-ed25519%20AAAA" "$url"; then
    echo "GUEST phoned home try $try"
    break
  fi
  sleep 3
done
echo "GUEST done"
poweroff -f
