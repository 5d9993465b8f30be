/**
 * A shell script that runs the rest of its command line with nothing of this machine's files but programs and libraries,
 * read-only: no home, no configuration, no model, nowhere to write. It needs mount and process namespaces of its own, and
 * leaves its command no capability even in these. /proc is read-only, because root may write the kernel's settings there
 * without any capability. `$1` is one more folder to be seen, or empty; one in /tmp is not.
 */
export const bareRootScript = `
set -e
PATH="$PATH:/usr/sbin:/sbin"
mount -t tmpfs -o mode=0755,size=64k none /tmp
cd /tmp
mkdir old proc dev
for path in /usr /bin /sbin /lib /lib64 /lib32 /etc/alternatives /etc/ld.so.cache "$1"; do
  if [ -z "$path" ] || [ -e ".$path" ]; then continue
  elif [ -L "$path" ]; then cp -P "$path" ".$path"
  elif [ -d "$path" ]; then mkdir -p ".$path"; mount --rbind -o ro "$path" ".$path"
  elif [ -f "$path" ]; then mkdir -p "./\${path%/*}"; : > ".$path"; mount --bind "$path" ".$path"
  fi
done
: > dev/null
mount --bind /dev/null dev/null
ln -s /proc/self/fd dev/fd
mount -t proc -o ro proc proc
pivot_root . old
cd /
umount -l old
rmdir old
mount -o remount,ro,bind /
shift
exec setpriv --bounding-set=-all --no-new-privs -- "$@"
`
