#!/usr/bin/env bash
# Makes the guests' image in folder $1: Debian's kernel as `vmlinuz` and a busybox initramfs as
# `initrd`, padded to 2 MiB so that a transfer takes long enough to be interrupted.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
apt-get download "$package" >/dev/null
dpkg-deb -x ./*.deb kernel
mkdir -p root/bin root/modules
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
  file=$(find kernel/lib/modules -name "$module.ko*" | head -n 1)
  [ -n "$file" ] || { echo "the kernel package has no module $module" >&2; exit 1; }
  case "$file" in
  *.xz) xz -dc "$file" >"root/modules/$module.ko" ;;
  *) cp "$file" "root/modules/$module.ko" ;;
  esac
done
cp /bin/busybox root/bin/busybox
cp "$here/guest-init.sh" root/init
cp "$here/guest-udhcpc.sh" root/udhcpc.sh
chmod 755 root/init root/udhcpc.sh
head -c 1500000 /dev/urandom >root/padding
(cd root && find . | cpio -o -H newc --quiet) | gzip -1 >"$out/initrd.new"
cp kernel/boot/vmlinuz-* "$out/vmlinuz"
mv "$out/initrd.new" "$out/initrd"
