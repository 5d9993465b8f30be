#!/bin/sh
# Puts the synthesizers of Debian 12 into one folder that runs from anywhere: bundle.sh DEBS OUT
#
# DEBS holds the packages, as `apt-get download` brings them: libespeak-ng1 espeak-ng-data libsonic0 libpcaudio0 libflite1 festival
# festlex-cmu festlex-poslex festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts libestools2.5, perhaps libttspico0 and
# libttspico-data (non-free), and the libraries that these need, but not libc6. Nothing is installed; gcc and dpkg are needed.
set -eu
debs=$1 out=$2
root=$(mktemp -d)
for deb in "$debs"/*.deb; do dpkg -x "$deb" "$root"; done
libs=$root/usr/lib/x86_64-linux-gnu
rm -rf "$out"
mkdir -p "$out/bin" "$out/lib" "$out/share/pico/lang" "$out/doc"
cp "$root/usr/bin/festival" "$out/bin/"
own="$libs/libespeak-ng.so.1 $libs/libflite.so.1 $libs/libflite_usenglish.so.1 $libs/libflite_cmulex.so.1"
for voice in kal awb rms slt; do own="$own $libs/libflite_cmu_us_$voice.so.1"; done
if [ -f "$libs/libttspico.so.0" ]; then
  own="$own $libs/libttspico.so.0"
  cp "$root"/usr/share/pico/lang/en-* "$out/share/pico/lang/"
fi
for file in $own; do cp -L "$file" "$out/lib/"; done
# What those and festival need, as far as it lies in the packages. Nothing is played: libraries with functions that do nothing stand
# for ALSA's and PulseAudio's, which need thirty others.
silent() {  # name of the library, pattern of its functions
  nm -D --undefined-only $own "$libs"/libest*.so.2.5 "$libs"/libpcaudio.so.0 "$root/usr/bin/festival" |
    sed -n "s/^ *U \($2[a-z_0-9]*@.*\)/\1/p" | sort -u | tr '@' ' ' > "$root/wanted"
  awk '{print "int " $1 "(void) { return -1; }"}' "$root/wanted" | sort -u > "$root/silent.c"
  awk '{names[$2] = names[$2] " " $1 ";"} END {for (v in names) print v " { global:" names[v] " };"}' "$root/wanted" > "$root/versions"
  gcc -shared -nostdlib -Wl,-soname,"$1" -Wl,--version-script,"$root/versions" -o "$root/silent/$1" "$root/silent.c"
}
mkdir "$root/silent"
silent libpulse-simple.so.0 pa_simple_
silent libpulse.so.0 pa_
silent libasound.so.2 snd_
path=$root/silent:$libs:$root/lib/x86_64-linux-gnu
for file in $own "$root/usr/bin/festival"; do LD_LIBRARY_PATH=$path ldd "$file"; done | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | sort -u |
  while read -r file; do
    case $file in
      */libstdc++.so.6 | */libgcc_s.so.1) ;;  # the machine's own are newer, and torch wants those
      "$root"/*) cp -L "$file" "$out/lib/" ;;
      */libc.so.6 | */libm.so.6 | */libpthread.so.0 | */libdl.so.2 | */librt.so.1 | */libresolv.so.2) ;;
      *) echo "from this system: $file" >&2 ;;
    esac
  done
cp -r "$libs/espeak-ng-data" "$out/share/"
cp -r "$root/usr/share/festival" "$out/share/"
# Debian's paths would come before those of --datadir.
sed -i "s#'(\"/usr/share/festival/voices/\")#'()#; s#'(\"/usr/share/festival/languages/\" )#'()#" "$out"/share/festival/*.scm
# English and Mandarin are all that is spoken.
for dict in "$out"/share/espeak-ng-data/*_dict; do
  case $dict in */en_dict | */cmn_dict) ;; *) rm "$dict" ;; esac
done
strip --strip-unneeded "$out"/lib/*.so* "$out/bin/festival" 2>/dev/null || true
for package in libespeak-ng1 espeak-ng-data libsonic0 libpcaudio0 libflite1 festival festlex-cmu festlex-poslex festvox-kallpc16k \
  festvox-kdlpc16k festvox-us-slt-hts libestools2.5 libttspico0 libttspico-data libtinfo6 gcc-12-base; do
  ! [ -f "$root/usr/share/doc/$package/copyright" ] || cp "$root/usr/share/doc/$package/copyright" "$out/doc/$package.copyright"
done
rm -rf "$root"
