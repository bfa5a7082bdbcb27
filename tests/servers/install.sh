#!/usr/bin/env bash
# Installs what the tests need besides Python: PostgreSQL's programs (15 or newer) and Orthanc with its DICOMweb plugin
# (the tests start their own servers), DICOM's validators (dicom3tools, dcmtk) and openssl, and the libraries that
# WeasyPrint draws with. Does nothing where they are there, or where there is no apt-get or no root.
set -euo pipefail
missing=()
newest=$(find /usr/lib/postgresql -maxdepth 1 -mindepth 1 -name '[0-9]*' -printf '%f\n' 2>/dev/null | sort -n | tail -1)
if [ "${newest:-0}" -lt 15 ] || [ ! -x "/usr/lib/postgresql/${newest}/bin/initdb" ]; then missing+=(postgresql); fi
# Orthanc and its plugin lie where a user's PATH does not look.
PATH=$PATH:/usr/sbin
for pair in Orthanc=orthanc dciodvfy=dicom3tools storescu=dcmtk openssl=openssl; do
  command -v "${pair%%=*}" >/dev/null || missing+=("${pair##*=}")
done
ls /usr/share/orthanc/plugins/libOrthancDicomWeb.so* >/dev/null 2>&1 || missing+=(orthanc-dicomweb)
libraries=$(ldconfig -p 2>/dev/null || true)
for pair in libpango-1.0.so.0=libpango-1.0-0 libpangoft2-1.0.so.0=libpangoft2-1.0-0 libharfbuzz-subset.so.0=libharfbuzz-subset0; do
  grep -q "${pair%%=*}" <<<"$libraries" || missing+=("${pair##*=}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed: ${missing[*]}. Tests that need them are skipped; install them with your package manager." >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# Debian makes and starts a cluster with the package; both are switched off, and no service may start during the install.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes; fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
